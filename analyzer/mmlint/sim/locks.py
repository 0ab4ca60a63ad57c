"""Locks and contexts: spinlocks, sleeping locks, mmap_lock, RCU, interrupts, sequence counts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mmlint.sim.world import Obj, Op, Task, Violation, Wait, World


class Spin(Obj):
    """A spinlock: whoever holds it must not sleep. A page-table lock is one."""

    __slots__ = ("owner", "sleeping")
    FIELDS = ("owner",)

    def __init__(self, w: World, name: str, sleeping: bool = False) -> None:
        super().__init__(w, name)
        self.owner: Task | None = None
        self.sleeping = sleeping

    def lock(self) -> Op[None]:
        """Wait for the lock and take it. `sleeping` is the spinlock_t of PREEMPT_RT: only where sleeping is allowed."""
        if self.sleeping:
            self.w.might_sleep(f"spin_lock({self.name}) on PREEMPT_RT")
        yield Wait(f"spin_lock({self.name})", self.free)
        self._take()

    def trylock(self) -> bool:
        """Take the lock if it is free; never waits."""
        if self.owner is not None:
            return False
        self._take()
        return True

    def unlock(self) -> None:
        """Release. Releasing what one does not hold breaks O15."""
        if self.owner is not self.w.current:
            self.w.fail("O15", f"{self.w.current.name} unlocks {self.name}, held by {self.owner or 'nobody'}")
        self.owner = None
        _drop(self.w, self.name, atomic=not self.sleeping)

    def free(self) -> bool:
        """True while nobody holds it."""
        return self.owner is None

    def _take(self) -> None:
        self.owner = self.w.current
        _hold(self.w, self.name, atomic=not self.sleeping)


class Mutex(Obj):
    """A sleeping lock: page lock (bit), mutex, rwsem taken for write."""

    __slots__ = ("owner",)
    FIELDS = ("owner",)

    def __init__(self, w: World, name: str) -> None:
        super().__init__(w, name)
        self.owner: Task | None = None

    def lock(self) -> Op[None]:
        """May sleep (O3), then take."""
        self.w.might_sleep(f"lock({self.name})")
        yield Wait(f"lock({self.name})", self.free)
        self.owner = self.w.current
        _hold(self.w, self.name, atomic=False)

    def trylock(self) -> bool:
        """Take it if free."""
        if self.owner is not None:
            return False
        self.owner = self.w.current
        _hold(self.w, self.name, atomic=False)
        return True

    def unlock(self) -> None:
        """Release; O15 when it is not ours."""
        if self.owner is not self.w.current:
            self.w.fail("O15", f"{self.w.current.name} unlocks {self.name}, held by {self.owner or 'nobody'}")
        self.owner = None
        _drop(self.w, self.name, atomic=False)

    def free(self) -> bool:
        """True while nobody holds it."""
        return self.owner is None


class RwSem(Obj):
    """mmap_lock: many readers or one writer; both sides sleep."""

    __slots__ = ("readers", "writer")
    FIELDS = ("readers", "writer")

    def __init__(self, w: World, name: str) -> None:
        super().__init__(w, name)
        self.readers: list[Task] = []
        self.writer: Task | None = None

    def read_lock(self) -> Op[None]:
        """mmap_read_lock."""
        self.w.might_sleep(f"read_lock({self.name})")
        yield Wait(f"read_lock({self.name})", lambda: self.writer is None)
        self.readers.append(self.w.current)
        _hold(self.w, self.name, atomic=False)

    def read_unlock(self) -> None:
        """mmap_read_unlock."""
        if self.w.current not in self.readers:
            self.w.fail("O15", f"{self.w.current.name} drops {self.name} without holding it")
        self.readers.remove(self.w.current)
        _drop(self.w, self.name, atomic=False)

    def write_lock(self) -> Op[None]:
        """mmap_write_lock."""
        self.w.might_sleep(f"write_lock({self.name})")
        yield Wait(f"write_lock({self.name})", lambda: self.writer is None and not self.readers)
        self.writer = self.w.current
        _hold(self.w, self.name, atomic=False)

    def write_unlock(self) -> None:
        """mmap_write_unlock."""
        if self.writer is not self.w.current:
            self.w.fail("O15", f"{self.w.current.name} drops {self.name} without holding it")
        self.writer = None
        _drop(self.w, self.name, atomic=False)


class Rcu(Obj):
    """Read sections and grace periods. A reader must not sleep (O3)."""

    __slots__ = ("epoch", "readers")
    FIELDS = ("readers",)

    def __init__(self, w: World, name: str = "rcu") -> None:
        super().__init__(w, name)
        self.readers: dict[str, int] = {}
        self.epoch = 0

    def read_lock(self) -> None:
        """rcu_read_lock: never waits."""
        self.epoch += 1
        self.readers[self.w.current.name] = self.epoch
        self.w.current.atomic.append("rcu")

    def read_unlock(self) -> None:
        """rcu_read_unlock; O15 outside a section."""
        if self.readers.pop(self.w.current.name, None) is None:
            self.w.fail("O15", f"{self.w.current.name} leaves an RCU section it is not in")
        self.w.current.atomic.remove("rcu")

    def synchronize(self) -> Op[None]:
        """Wait until every section that is open now has ended."""
        self.w.might_sleep("synchronize_rcu")
        open_now = tuple(self.readers.items())
        yield Wait("synchronize_rcu ends", lambda: not any(self.readers.get(t) == e for t, e in open_now))


def irq_disable(w: World) -> None:
    """local_irq_disable: TLB flush IPIs to this CPU wait."""
    w.current.irqs_off = 1


def irq_enable(w: World) -> None:
    """local_irq_enable."""
    w.current.irqs_off = 0


def others_irqs_on(w: World, me: Task) -> bool:
    """True while every other CPU would answer an IPI."""
    return not any(task.irqs_off for task in w.tasks if task is not me)


@contextmanager
def preempt_off(w: World) -> Iterator[None]:
    """preempt_disable .. preempt_enable."""
    w.current.atomic.append("preempt off")
    yield
    w.current.atomic.remove("preempt off")


def _hold(w: World, name: str, atomic: bool) -> None:
    w.current.holds.append(name)
    if atomic:
        w.current.atomic.append(name)


def _drop(w: World, name: str, atomic: bool) -> None:
    if name not in w.current.holds:
        raise Violation("O15", f"{w.current.name} does not hold {name}")
    w.current.holds.remove(name)
    if atomic:
        w.current.atomic.remove(name)
