"""The rows of the kernel tables: one frozen value for one statement about one name of the kernel's API.

Every row says what the API means, with where that is written down (`source`) and for which releases (`since` is the
first release the row is right for, `until` the first one it is no longer right for; "" means no known limit). Argument
positions count from 0. A holder says where a lock, page or reference is found: `result`, `arg:N` (the value of an
argument), `*arg:N` (what an argument points to) or `-` (nowhere: one per task or CPU).
"""

from __future__ import annotations

from mmlint.frozen import dataclass
from mmlint.kernel.row import Row


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Kind(Row):
    """A kind of lock or context.

    `atomic`: nothing may sleep inside. `rt_sleeps`: on PREEMPT_RT taking it may sleep and holding it does not forbid
    sleeping locks (spinlock_t, rwlock_t, local_lock). `nests`: may be entered again, each entry needs its own leave.
    `rank`: place in mm's documented lock order (mm/rmap.c), smaller is taken first; 0 has no place in it. `arches`: the
    only ones below arch/ on which there is anything to hold; () all of them. `reclaim`: direct reclaim waits for it.
    """

    atomic: bool = False
    rt_sleeps: bool = False
    nests: bool = False
    rank: int = 0
    arches: tuple[str, ...] = ()
    reclaim: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Order(Row):
    """A documented order of a few locks, outermost first: kinds, or names of single locks."""

    locks: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Take(Row):
    """A call that takes a lock or enters a context.

    `arg` names the lock, `out` is the argument through which the lock's address comes back, `result` says that the
    result itself is the lock or the mapping. `when` is the result for which it is held: always, nonzero, zero, notneg.
    `also` are the kinds entered with it; `sleeps`: taking it may sleep; `atomic` comes from the kind.
    """

    kind: str
    arg: int | None = None
    out: int | None = None
    result: bool = False
    when: str = "always"
    also: tuple[str, ...] = ()
    sleeps: bool = False
    atomic: bool = False
    mode: str = ""

    @property
    def kinds(self) -> tuple[str, ...]:
        """All kinds of lock that it takes."""
        return (self.kind, *self.also)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Drop(Row):
    """A call that releases a lock or leaves a context.

    `arg` names the lock, `map_arg` the mapped pointer given back, `when` the result for which it is released: always,
    nonzero, zero, `retry` (a vm_fault_t with VM_FAULT_RETRY or VM_FAULT_COMPLETED), `maybe` (the result does not say).
    """

    kind: str
    arg: int | None = None
    map_arg: int | None = None
    also: tuple[str, ...] = ()
    when: str = "always"
    mode: str = ""

    @property
    def kinds(self) -> tuple[str, ...]:
        """All kinds of lock that it gives up."""
        return (self.kind, *self.also)


GUARDS = ("guard", "scoped_guard")
"""The macros that take a lock until a scope ends, given a lock class."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class ScopeGuard(Row):
    """A lock class of cleanup.h (`guard(name)(lock)`, `scoped_guard(name, lock)`): it ends with its scope.

    `take` is the taker it stands for, `when` is nonzero for the conditional forms (`_try`, `_intr`).
    """

    take: str
    when: str = "always"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class ScopeFree(Row):
    """A cleanup of `__free(name)`: the function it calls on the variable at the end of its scope."""

    call: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class LockPointer(Row):
    """A call that returns the address of a lock (or writes it through argument `out`) and takes nothing."""

    kind: str
    out: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Sleep(Row):
    """A call that may sleep.

    `when`: `always`; `gfp`, if the gfp mask in argument `gfp_arg` allows direct reclaim; `if:N`, if the condition in
    argument N holds; `calls:N`, if the function given as argument N does, which it may run; `large`, only for a folio
    of more than one page; `depends`, on what the arguments do not show; `drops`, after releasing the lock that it is
    given (taken again before it returns).
    """

    when: str = "always"
    gfp_arg: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class GfpMask(Row):
    """A gfp constant: `reclaim` is true if it allows direct reclaim, false if it does not, None if it says nothing.

    `mask` is false for modifiers that are only added to another mask; `enters` is false if its reclaim stays out of
    filesystems or of I/O.
    """

    reclaim: bool | None = None
    mask: bool = True
    enters: bool = True


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class FollFlag(Row):
    """A FOLL_* flag; `internal` ones are set by the GUP entry points, not by their callers.

    `unshares`: a pin with it gets a page of its own in a COW mapping even where it only reads.
    """

    internal: bool = False
    unshares: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class GupEntry(Row):
    """An entry point of get_user_pages and its kin.

    `kind` is `pin` (released by unpin_*), `get` (released by put), `extract` (pin or nothing, by iterator type) or
    `fault` (no reference). `flags`, `pages`, `nr`, `start`, `locked` are argument positions; `write` is the position of
    the `int write` of old signatures. `mmap_lock`: `held` by the caller, `taken` inside, `none` (lockless only).
    `result`: `count` (or -errno), `zero` (or -errno), `page` (pointer or ERR_PTR), `bool`, `bytes`.
    `implies` are FOLL flags that the entry point sets by itself.
    """

    kind: str
    flags: int | None = None
    pages: int | None = None
    nr: int | None = None
    start: int | None = None
    locked: int | None = None
    write: int | None = None
    result: str = "count"
    fast: bool = False
    remote: bool = False
    mmap_lock: str = "held"
    implies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Moving(Row):
    """A call through which a unit of a `resource` changes hands, found at `holder`.

    It does so on results of `when`: always, nonzero, zero, notneg, noterr (neither NULL nor ERR_PTR), positive. `nr` is
    the holder of the number of units ("" is one).
    """

    resource: str
    holder: str
    when: str = "always"
    nr: str = ""


class Taking(Moving):
    """A call after which the caller owns the resource."""

    __slots__ = ()


class Giving(Moving):
    """A call that gives the resource back."""

    __slots__ = ()


class Transfer(Moving):
    """A call that takes the resource over: the caller no longer has to give it back."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Resource(Row):
    """A kind of thing that is taken and has to be given back, with every call that does either or takes it over.

    `leak` is false where keeping it beyond the function is the usual case. `single`: it has one owner and no count, so
    who handed it on may not give it back.
    """

    takes: tuple[Taking, ...] = ()
    gives: tuple[Giving, ...] = ()
    transfers: tuple[Transfer, ...] = ()
    unit: str = ""
    leak: bool = True
    single: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Guard(Row):
    """A test. `class_` is the property, `arg` what is tested, `implies` the result for which the property holds.

    `implies` is nonzero, zero, negative or positive. `transitive`: the test sits inside a call that does more.
    `of`: text that the argument must contain to make it this test (`write_protect_seq`).
    """

    class_: str
    arg: int | None = 0
    implies: str = "nonzero"
    transitive: bool = False
    of: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class RefHelper(Row):
    """A primitive on the page reference count: `op` is read, set, inc, dec, try, freeze, unfreeze or test.

    `test` ones return whether the count reached zero. `home`: it may touch `_refcount` directly.
    """

    op: str
    arg: int = 0
    home: bool = False
