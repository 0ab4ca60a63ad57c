"""REF118 get-on-dying-ref: percpu_ref_get takes for granted that the reference still lives.

## What it does
Reports `percpu_ref_get` where the function itself shows that no reference need be held, and no `percpu_ref_tryget` of
the same stands before: the object was just found by a look-up with no lock held, it is the pagemap of a page whose own
count is being raised, or the reference was killed before.

## Why it matters
After the kill the last reference may go at any time. A plain get then revives a count whose release has run: the object
is freed, or the device unbound, under its new user. `percpu_ref_tryget_live` refuses instead.

## Bad
```c
ns = xa_load(&subsys->namespaces, id);
if (!ns)
        return NULL;
percpu_ref_get(&ns->ref);
```

## Good
```c
rcu_read_lock();
ns = xa_load(&subsys->namespaces, id);
if (ns && !percpu_ref_tryget_live(&ns->ref))
        ns = NULL;
rcu_read_unlock();
```

## Limits
Most callers of `percpu_ref_get` are right by what their callers hold, which no code says; they are not judged. Only
gets of a percpu_ref itself are seen, not those of wrappers (`css_get`). One finding on the whole of 6.12 and of 6.1
(nvmet_req_find_ns), read as true.

## Sources
digest of the ZONE_DEVICE reference thread, J11 and rule R-RC8, scenarios ZD3 and ZD17; include/linux/percpu-refcount.h.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.function import Function
from mmlint.facts.owners.liveref import Unlive, unlive_gets
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import ZD17

_WHY = {
    "found": "`{}` has only found the object, and nothing keeps it",
    "page": "`{}` says that it is got by its page",
    "killed": "`{}` has killed the reference before",
}


def check(function: Function) -> Iterator[Hit]:
    """Report each get, those by pages once a file."""
    for found in unlive_gets(function):
        yield function.hit(
            found.call,
            f"`{found.call.value}` takes a reference that may be dead: {_WHY[found.why].format(found.source.value)}",
            steps=(function.step(found.source.line, _seen(found)),),
            cause="pagemaps got by their pages" if found.why == "page" else "",
        )


def _seen(found: Unlive) -> str:
    return f"`{found.source.value}` is here, with no try in between"


RULE = Rule(
    code="REF118",
    name="get-on-dying-ref",
    summary="percpu_ref_get where nothing says that the reference still lives",
    severity=Severity.WARNING,
    confidence=Confidence.MEDIUM,
    since="0.1",
    needs=(unlive_gets,),
    check=check,
    partial=True,
    tokens=("percpu_ref_get", "percpu_ref_get_many"),
    scenario=ZD17,
)
