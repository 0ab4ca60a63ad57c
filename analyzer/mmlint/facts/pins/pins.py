"""How long pages taken by GUP stay: given back in the same call, by a caller, at I/O completion, or at the user's will.

Built on two questions that are answered by flow. Does a successful return of this function leave pages held (then its
callers are sites too)? And which functions of the file give such pages back, and from where are those reached?
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from enum import StrEnum

from mmlint.facts.flow import is_pure
from mmlint.facts.function import Function, call_targets, cut_short, fact
from mmlint.facts.ir import Expr
from mmlint.facts.locks.above import callers
from mmlint.facts.owners.giveback import RESOURCES
from mmlint.facts.owners.gup import GupSite, argument_flags, gup_calls
from mmlint.facts.pins.keeping import Kept, live_at_success
from mmlint.facts.pins.notified import folder_notifier
from mmlint.facts.pins.scopes import in_scope, leading_to
from mmlint.finding import Step
from mmlint.frozen import dataclass

_MAX_DEPTH = 4
_MAX_CALLERS = 12
_COMPLETION = re.compile(r"(complet(e|ion)|done|end_?io|callback|_cb|_irq|_isr|interrupt|tasklet)", re.I)
_COMPLETION_TYPES = re.compile(r"struct (bio|kiocb|request|dma_async_tx_descriptor|urb) \*")
_NOTIFIERS = re.compile(
    rb"\b(mmu_interval_notifier_insert\w*|mmu_notifier_(register|get)\w*|mmu_interval_read_begin)\s*\("
)


class Lifetime(StrEnum):
    """How long the pages of a site are held."""

    CALL = "call"
    """given back on every successful way through this function, or never asked for"""
    CALLER = "caller"
    """given back by every caller before it returns"""
    IO = "io"
    """given back when an I/O completes"""
    NOTIFIER = "notifier"
    """kept, but an MMU notifier takes them away when the mapping changes"""
    USER = "user"
    """kept until somebody asks for the release: an ioctl, a close, a deregistration"""
    HANDED = "handed"
    """handed on to code that is not seen"""


@dataclass(frozen=True, slots=True)
class PinSite:
    """A GUP call or the call of a wrapper, seen from one function. `through` leads from the call to the entry point."""

    site: GupSite
    through: tuple[Step, ...] = ()

    @property
    def call(self) -> Expr:
        """The call in this function."""
        return self.site.call


@fact
def pin_sites(function: Function) -> tuple[PinSite, ...]:
    """The GUP calls of `function` and its calls of wrappers whose flags it decides."""
    found = [PinSite(site) for site in gup_calls(function)]
    if not found and _may_pin(function):
        if len(_BUSY) < _MAX_DEPTH:
            found += _wrapped(function)
        else:
            cut_short()
    return tuple(found)


_BUSY: list[tuple[str, str]] = []


def _wrapped(function: Function) -> list[PinSite]:
    found = []
    for name, calls in function.calls.items():
        callee = _local_callee(function, name)
        if callee is None:
            continue
        for kept in wrapper(callee):
            param = next(iter(kept.site.flags.params), None)
            for node, call in calls:
                if param is None or param >= len(call.args):
                    continue
                own = argument_flags(function, node, call.args[param])
                base = replace(kept.site.flags, params=frozenset())
                pages = _handed(function, callee, kept, call)
                site = GupSite(node, call, kept.site.entry, base.union(own), pages)
                step = Step(
                    callee.path,
                    kept.call.line,
                    f"`{callee.name}` passes its `{callee.params[param]}` to `{kept.call.value}`",
                )
                found.append(PinSite(site, (step, *kept.through)))
    return sorted(found, key=lambda s: (s.call.line, s.call.column))


def _handed(function: Function, callee: Function, kept: PinSite, call: Expr) -> Expr | None:
    root = kept.site.pages.root if kept.site.pages is not None else ""
    if root in callee.params and callee.params.index(root) < len(call.args):
        return call.args[callee.params.index(root)]
    return call_targets(function).get(id(call))


def _local_callee(function: Function, name: str) -> Function | None:
    callee = next(iter(function.program.named(function.path, name)), None) if name else None
    if callee is None or callee is function:
        return None
    if (callee.path, callee.name) in _BUSY:
        cut_short()
        return None
    return callee


@fact
def wrapper(function: Function) -> tuple[PinSite, ...]:
    """The sites of `function` whose flags come from its caller and whose pages outlive it: it pins for its callers."""
    key = (function.path, function.name)
    if not _may_pin(function):
        return ()
    if key in _BUSY or len(_BUSY) >= _MAX_DEPTH:
        cut_short()
        return ()
    _BUSY.append(key)
    try:
        sites = [s for s in pin_sites(function) if s.site.flags.params and not s.site.flags.unknown]
        if not sites:
            return ()
        live = kept(function)
        return tuple(s for s in sites if id(s.call) in live.sites)
    finally:
        _BUSY.pop()


@fact
def _may_pin(function: Function) -> bool:
    first = function.program.functions(function.path)[0]
    return function.mentions(function.tables.gup) or not function.words.isdisjoint(_pinning_names(first))


@fact
def _pinning_names(first: Function) -> frozenset[str]:
    """The functions of the file of `first` whose text names an entry point."""
    others = first.program.functions(first.path)
    return frozenset(f.name for f in others if f.mentions(f.tables.gup))


# ------------------------------------------------------------------- held at a successful return


@fact
def kept(function: Function) -> Kept:
    """The sites whose pages are still held at some successful return."""
    sites = pin_sites(function)
    if not sites:
        return Kept()
    taken = {id(s.call): _taken(function, s.site) for s in sites if s.through or _hands_out(s.site)}
    holders = {id(s.call): s.site.pages for s in sites if s.site.pages is not None}
    return live_at_success(function, taken, {RESOURCES[s.site.kind] for s in sites}, holders)


def _hands_out(site: GupSite) -> bool:
    return site.pages is not None or site.entry.result == "page"


def _taken(function: Function, site: GupSite) -> str:
    """What the result is where pages were taken."""
    if site.call.value in function.tables.gup:
        return {"page": "ok", "bool": "!0"}.get(site.entry.result, ">0")
    callee = _local_callee(function, site.call.value)
    return _success(callee, kept(callee).value) if callee is not None else ">=0"


def _success(callee: Function, value: str | None) -> str:
    if value is not None:
        return value
    returns = callee.source.returns
    return "ok" if "*" in returns else "!0" if returns == "bool" else ">=0"


# ------------------------------------------------------------------- lifetime


def lifetime(function: Function, pin: PinSite) -> Lifetime:
    """How long the pages of a site are held."""
    site = pin.site
    if site.pages is None and not pin.through:
        return Lifetime.CALL
    if id(site.call) not in kept(function).sites or _of_kernel(function, site):
        return Lifetime.CALL
    if _serves_entry(function, 0) or _goes_as_pfn(function, site):
        return Lifetime.HANDED
    if site.kind == "extract" and (site.pages is None or "->" not in site.pages.key):
        return Lifetime.IO
    if _callers_release(function, RESOURCES[site.kind], kept(function).value, 0):
        return Lifetime.CALLER
    givers = releasers(function, pin)
    if _serves_file_io(function, 0) and not _at_close(function, givers):
        return Lifetime.IO
    if _NOTIFIERS.search(function.source.file.text) or _all_notified(function):
        return Lifetime.NOTIFIER
    if not givers:
        return Lifetime.HANDED
    if in_scope(function, givers):
        return Lifetime.CALLER
    return Lifetime.IO if _at_completion(function, givers) else Lifetime.USER


def _all_notified(function: Function) -> bool:
    """Whether the folder has an MMU notifier, and nothing in it that would keep pages longer than that allows."""
    if folder_notifier(function) is None:
        return False
    folder = function.path.rpartition("/")[0]
    return not any(b"FOLL_LONGTERM" in text for _, text in function.program.texts(folder))


def _callers_release(function: Function, resource: str, value: str | None, depth: int) -> bool:
    """Whether every caller gives the pages back on its successful ways. `value`: the result that says they are held."""
    if depth >= 3:
        return False
    above = callers(function)[:_MAX_CALLERS]
    return bool(above) and all(_releases_after(caller, function, resource, value, depth) for caller in above)


def _of_kernel(function: Function, site: GupSite) -> bool:
    """Whether pages are extracted from an iterator over kernel memory that the function made: nothing is taken."""
    if site.kind != "extract" or not site.call.args:
        return False
    makers = function.tables.kernel_iters
    for name, calls in function.calls.items():
        local = next(iter(function.program.named(function.path, name)), None)
        makes = name in makers or (local is not None and not makers.isdisjoint(local.calls))
        if makes and any(arg.key == site.call.args[0].key for _, call in calls for arg in call.args):
            return True
    return False


def _goes_as_pfn(function: Function, site: GupSite) -> bool:
    """Whether the one page is handed on by its number, with the reference (`soft_offline_page(pfn, flags)`)."""
    single = site.pages is not None and site.pages.kind == "unary" and site.pages.value == "&"
    page = site.pages.args[0].key if single and site.pages is not None else ""
    targets = call_targets(function)
    made = [targets.get(id(call)) for _, call in function.calls.get("page_to_pfn", ()) if call.args[0].key == page]
    numbers = {target.value for target in made if target is not None and target.kind == "name"}
    taking = (c for n, calls in function.calls.items() if n.islower() and not is_pure(n) for _, c in calls)
    return any(arg.key in numbers for call in taking for arg in call.args)


def _serves_entry(function: Function, depth: int) -> bool:
    """Whether `function` is the inside of an entry point of its file, whose callers are judged by themselves."""
    if function.name in function.tables.gup:
        return True
    if depth >= 3:
        return False
    others = function.program.functions(function.path)
    callers = [f for f in others if function.name in f.words and function.name in f.calls and f is not function]
    return bool(callers) and all(_serves_entry(caller, depth + 1) for caller in callers)


def _serves_file_io(function: Function, depth: int) -> bool:
    """Whether all ways into `function` start at a read or write method of a file, at most three calls up."""
    if any(p.type_text.startswith("loff_t *") for p in function.source.params):
        return True
    if depth >= 3:
        return False
    above = callers(function)[:_MAX_CALLERS]
    return bool(above) and all(_serves_file_io(caller, depth + 1) for caller in above)


def _releases_after(caller: Function, callee: Function, resource: str, value: str | None, depth: int) -> bool:
    calls = caller.calls.get(callee.name)
    if not calls:
        return False
    live = live_at_success(caller, {id(call): _success(callee, value) for _, call in calls}, {resource})
    return not live.sites or _callers_release(caller, resource, live.value, depth + 1)


def releasers(function: Function, pin: PinSite) -> list[Function]:
    """The other functions of the file, or else of the folder, that give such pages back by a call of their own."""
    program = function.program
    resource = RESOURCES[pin.site.kind]
    names = {n for n, rows in function.tables.gives_resource.items() if any(r.resource == resource for r in rows)}
    found = [f for f in _calling(program.functions(function.path), names) if f is not function]
    if not found:
        folder = function.path.rpartition("/")[0]
        for name in program.tree.names(folder):
            text = program.tree.read(f"{folder}/{name}") if name.endswith(".c") else None
            if text is not None and any(n.encode() in text for n in names):
                found += _calling(program.functions(f"{folder}/{name}"), names)
    return [f for f in found if f is not function]


def _calling(functions: Iterable[Function], names: set[str]) -> list[Function]:
    return [f for f in functions if not f.words.isdisjoint(names) and not names.isdisjoint(f.calls)]


def _at_completion(function: Function, givers: list[Function]) -> bool:
    """Whether a release is reached from the completion of an I/O, at most two calls up."""
    return any(
        _COMPLETION.search(here.name) or any(_COMPLETION_TYPES.match(p.type_text) for p in here.source.params)
        for here in leading_to(function, givers, 2)
    )


def _at_close(function: Function, givers: list[Function]) -> bool:
    """Whether a release is reached from the method that ends a file's life, which no read or write waits for."""
    ways = leading_to(function, givers, 3)
    return any([p.type_text for p in here.source.params] == ["struct inode *", "struct file *"] for here in ways)
