"""PTL107 prealloc-protocol: a page allocated ahead for a copy under the lock is lost, missing, or for another address.

## What it does
Looks at functions that hand a page allocated ahead by address (`&prealloc`) to a call which answers -EAGAIN when it
needs one. Reports a way out on which the page may still be there and nobody puts it, the same call made again after
-EAGAIN with no page allocated, and an address moved on between -EAGAIN and the next try.

## Why it matters
Memory cannot be allocated under a page-table lock, so the copy drops it, allocates and tries again. A page left over
leaks. Without a new page the retry never ends. With the address moved on, the page that asked for a copy is left out:
the child has a hole there.

## Bad
```c
ret = copy_one(dst, src, addr, &prealloc);
if (ret == -EAGAIN)
        goto again;
```

## Good
```c
ret = copy_one(dst, src, addr, &prealloc);
if (ret == -EAGAIN) {
        prealloc = alloc_page_vma(GFP_HIGHUSER_MOVABLE, vma, addr);
        if (!prealloc)
                return -ENOMEM;
        goto again;
}
```

## Limits
-EAGAIN has to be compared with the variable that takes the call's result. That the page is used for the address it was
allocated for is not checked; that the entry is read again is PTL103.

## Sources
linux-mm thread of August 2020, Linus Torvalds's outline (digest 000, D3, I16, S14); mm/memory.c copy_pte_range.
"""

from __future__ import annotations

from collections.abc import Iterator

from mmlint.facts.entries.prealloc import prealloc_breaches
from mmlint.facts.function import Function
from mmlint.finding import Confidence, Hit, Severity
from mmlint.rule import Rule
from mmlint.sim.scenarios import S14

_SAYS = {
    "leak": "`{name}` may still hold the page allocated ahead here, and nobody puts it",
    "empty": "`{call}` is tried again after -EAGAIN (line {retry}) without a new page in `{name}`",
    "advanced": "the address moves on between -EAGAIN (line {retry}) and the next try",
}


def check(function: Function) -> Iterator[Hit]:
    """Report each breach of the protocol."""
    for found in prealloc_breaches(function):
        call = found.call
        yield function.hit(
            found.at,
            _SAYS[found.kind].format(name=found.name, call=call.value, retry=found.retry),
            steps=(function.step(call.line, f"`{call.value}` gets the page by `&{found.name}`"),),
            anchor=f"{found.kind} {found.name} {call.value}",
        )


RULE = Rule(
    code="PTL107",
    name="prealloc-protocol",
    summary="a page allocated ahead for a copy under the lock is lost, missing, or for another address",
    severity=Severity.ERROR,
    confidence=Confidence.MEDIUM,
    since="0.1",
    needs=(prealloc_breaches,),
    tokens=("EAGAIN",),
    shape=r"\bstruct\s+(page|folio)\b",
    check=check,
    instead_of=("PAT110",),
    scenario=S14,
)
