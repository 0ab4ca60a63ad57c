"""Rows about page-table entries, results, callbacks and steps; `rows.py` has the others and the conventions."""

from __future__ import annotations

from mmlint.frozen import dataclass
from mmlint.kernel.row import Row


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class WrProtect(Row):
    """A call that takes write permission away. `arg` is the entry's address (None if it works on a value), `mm` the mm
    or vma argument, `level` pte, pmd, pud or hugetlb; `nr` counts entries.
    """

    arg: int | None = None
    mm: int | None = None
    level: str = "pte"
    nr: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class SetEntry(Row):
    """A call that writes an entry of a page table: `arg` is its address, `value` what is written (None: nothing).

    `op` is set, clear (becomes none), get-and-clear (and is returned), upgrade or modify.
    """

    arg: int
    value: int | None = None
    level: str = "pte"
    op: str = "set"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Flush(Row):
    """A call that flushes the TLB.

    `scope` is entry, page, range, mm, all, batched, gather, shared (only what was unshared) or table (waits for
    lockless walkers).

    `clears`: it clears the entry too, in one step. `sync`: done when it returns.
    """

    scope: str
    clears: bool = False
    sync: bool = True


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Notifier(Row):
    """An MMU notifier call.

    `role` is init, start, start-nonblock, end, invalidate, young, read-begin, read-retry or set-seq.
    """

    role: str
    arg: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Mark(Row):
    """A call that records a state on a page, folio or mm: `what` is dirty, accessed, young, anon-exclusive, has-pinned,
    uptodate, active, swapbacked, referenced, lru.
    """

    what: str
    arg: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class BitCarry(Row):
    """An accessor of one bit of an entry: `bit` is soft-dirty, uffd-wp, young, dirty, write, exclusive.

    `form` is present, swap or any, `op` is set, clear or test; `also` is another bit that is set with it.
    """

    bit: str
    form: str
    op: str
    level: str = "pte"
    also: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Sense(Row):
    """How a result is read.

    `ok` is null-fails (NULL on failure), err-fails (ERR_PTR), null-or-value (also a value that is no pointer),
    never-fails, zero (0 is success) or true (true is success).
    """

    ok: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Optional(Row):
    """A member that is NULL in some objects which nothing else tells from the others: of a structure, or of an object
    that everybody knows by name.
    """

    of: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Direction(Row):
    """A constant for the way that data goes: whether user memory is `written`; `two`: not so is the other way."""

    written: bool
    two: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Callback(Row):
    """A function-pointer member or parameter that is called in a known context: `holds` are the kinds held.

    `name` is the member (`pmd_entry`) of a structure `owner` (or one of several; "" of any), or the callee that takes
    it, `arg` the position of the function. `after`: it is run with what this member of the same structure leaves held.
    `sleeps_by`: called by way of this member (`vma->vm_ops->fault()`) it may sleep; "" says nothing of that.
    """

    holds: tuple[str, ...] = ()
    arg: int | None = None
    owner: str = ""
    after: str = ""
    sleeps_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Entered(Row):
    """A function of the kernel that all its callers enter with locks of the kinds `holds` taken.

    `drops`: it leaves without them. Only for reading hunks, where neither it nor its callers may be seen: with a tree
    locks are followed from where they are taken.
    """

    holds: tuple[str, ...] = ()
    drops: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Inside(Row):
    """A call that is only right inside a context of the kind `kind`, or under a lock that is as good for it: one of the
    kinds `instead`, or of any if none is named.
    """

    kind: str
    instead: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Outside(Row):
    """A call that takes locks which come before those of the kind `kind`, and is made with none of these held."""

    kind: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Plain(Row):
    """A name in a list: nothing is said but that it belongs there."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Borrow(Row):
    """A call that uses pages and leaves their references with its caller; with the flag `unless` it keeps them."""

    unless: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Offer(Row):
    """A call that stores its argument `arg` if it returns true, and leaves it with the caller if not."""

    arg: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class WalkEnd(Row):
    """A walk behind whose end its argument `arg` points to nothing: NULL, or no element of what was walked."""

    arg: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Teardown(Row):
    """A step of taking device memory away.

    `what` is `kill` (no new users), `wait` (the last user is gone when it returns), `alive` (asks whether there are
    users, without waiting), `revive` (new users after a kill) or `remove` (the struct pages are freed).
    """

    what: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class EntryPage(Row):
    """A call that gives the page or folio behind an entry, a pfn or (`address`) an address of the kernel.

    `device`: it may be device memory. `tail`: it may be any page of a large folio, not only the first. `mapped`: it is
    in a page table, so that whoever puts it back on the LRU has taken it off before.
    """

    device: bool = False
    mapped: bool = False
    tail: bool = False
    address: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class TwoArms(Row):
    """A function that the header `path` defines inline in both arms of a condition, the second for kernels without it.

    Only for reading hunks, which may show one arm and not the other: with a tree both are seen.
    """

    path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class GupWalk(Row):
    """A function of one of GUP's two walks (`locked`, `lockless`) that looks at the permissions of an entry."""

    walk: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class FlagCall(Row):
    """A call that sets the flags of one argument, clears those of another, or both."""

    sets: int | None = None
    clears: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Implied(Row):
    """A flag, or a predicate that says yes: only together with the flags of `implies`, and without one of `!FLAG`."""

    implies: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Probe(Row):
    """How to see in a tree whether it is at least (or, with `until`, before) a release: `pattern` occurs in `path`."""

    path: str
    pattern: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Step(Row):
    """A class of protocol steps and what it guards.

    `role` is check, sync, take, release, mark, carry or order; `calls` are the names that do it, `sinks` the calls or
    sink classes it guards (none: whatever stands behind a test), `side` is before (must dominate the sink), after (must
    post-dominate it) or either, `rule` the rule that reports its removal, `scenario` the simulator scenario whose bad
    variant shows it ("" none). `only` narrows an order: `same` if both must be about one thing, `borrowed` where the
    function holds no reference of its own; `alone` widens a sync: it is missed where no sink is in sight, too; `always`
    says of a check that no condition makes it needless.

    Words that are no calls: `field:NAME` is a test of a member, `compare:NAME` a comparison of two results of NAME,
    `flag:NAME` the test of a flag, `set:NAME` its setting, `read:NAME` the reading of a member.
    """

    role: str
    calls: tuple[str, ...]
    sinks: tuple[str, ...]
    side: str = "before"
    rule: str = ""
    scenario: str = ""
    only: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Stronger(Row):
    """An order of strength: `calls` from the strongest to the weakest, replacing one by a later one loses `what`.

    `only` is `atomic` if the order holds only where nothing may sleep, `nested` only with another lock held, `batch` if
    `calls` go from many entries to one, `range` if from a range of more than one page to its first, `another` if what
    is asked for may belong to another task than the current one, `pins` if the stronger call gives pins up,
    `nonpresent` if it holds only for entries that are known not to be present, `irqs-off` if the function is entered
    with interrupts off and did not turn them on, `asked:CALL` if what the stronger call answers is asked for by CALL
    then, `unasked` if nothing asks whether the weaker one failed, `readers` of an object that others may know, `as-is`
    with the same arguments, `last` of what others may hold, `unfilled` if nothing fills the memory, `order` of more
    than one page, `mixed` if others of the file go on taking the lock by a stronger call, `nowhere` if none does and
    the patch does not say why, `raw` for the same lock in a patch that does not speak of PREEMPT_RT, `enters` if the
    stronger call gets a mask whose reclaim stays out of filesystems, `by-hand` if the last of `calls` is an operator
    that stands in the place of any of the others, `ignored` if nobody asks for either answer, `written` if something is
    changed in the section, `freed` if the object is taken down, `shared` if others know it and no lock is held, `found`
    if others find something by it, `without:CALL,CALL` if the function makes none of these, `uncompared:MEMBER` if
    nobody asks whether that member of the result is less or more than something, `put-back` if a page-table entry gets
    what was made of its own value.
    """

    calls: tuple[str, ...]
    what: str
    scenario: str = ""
    only: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class States(Row):
    """A predicate and the states it holds for, out of all that rows with the same `of` name."""

    of: str
    holds: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Same(Row):
    """Calls that do the same as a protocol step; `a+b` is both, in this order. Swapping them is no change."""

    calls: tuple[str, ...]
