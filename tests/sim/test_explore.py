"""The explorer itself: nothing is lost by merging states, and every kind of trouble is found and named."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmlint.sim.explore import BoundError, ScheduleError, advance, brute_force, decode, encode, explore, outcomes
from mmlint.sim.locks import Mutex, Rcu, RwSem, Spin
from mmlint.sim.model.kernel import K2
from mmlint.sim.model.machine import Machine
from mmlint.sim.world import Op, Policy, Violation, World, freeze

ACTIONS = st.sampled_from(
    ["lock a", "lock b", "unlock a", "unlock b", "get", "put", "raw get", "sleep", "set", "check", "rcu", "rcu end"]
)
PROGRAMS = st.lists(st.lists(ACTIONS, min_size=1, max_size=4), min_size=2, max_size=3)


def build(programs: list[list[str]]) -> World:
    """Random tasks over two locks, a page, an RCU domain and a flag; nothing about them is safe on purpose."""
    w = World()
    w.strict = False
    m = Machine(w, K2)
    locks: dict[str, Spin | Mutex] = {"a": Spin(w, "a"), "b": Mutex(w, "b")}
    page = m.memory.take("X")
    assert page is not None
    page.refcount = 2
    w.facts["flag"] = 0

    def run(program: list[str]) -> Op[None]:
        for action in program:
            word, _, name = action.partition(" ")
            if word == "lock":
                yield from locks[name].lock()
            elif word == "unlock":
                yield action
                locks[name].unlock()
            elif action == "rcu":
                yield action
                m.rcu.read_lock()
            elif action == "rcu end":
                yield action
                m.rcu.read_unlock()
            elif word == "get":
                yield action
                page.get()
            elif word == "put":
                yield action
                page.put()
            elif word == "raw":
                yield "load"
                count = page.refcount
                yield "store"
                page.refcount = count + 1
            elif word == "sleep":
                w.might_sleep("msleep")
                yield action
            elif word == "set":
                yield action
                w.facts["flag"] = 1
            else:
                yield action
                if w.facts["flag"]:
                    w.fail("O19", "the flag is set")

    for index, program in enumerate(programs):
        w.task(f"t{index}", run(program))
    return w


def guarded(programs: list[list[str]]) -> bool:
    """True when building already breaks a property (a task that sleeps before its first step cannot)."""
    try:
        build(programs)
    except Violation:
        return True
    return False


@settings(max_examples=120, deadline=None)
@given(PROGRAMS)
def test_merging_states_loses_no_outcome(programs: list[list[str]]) -> None:
    assert not guarded(programs)
    try:
        full = brute_force(lambda: build(programs), max_schedules=8_000)
    except BoundError:
        return
    assert outcomes(lambda: build(programs)) == full
    first = explore(lambda: build(programs))
    assert (first.kind == "holds") == (full == {"holds"})
    assert first.kind in full


@settings(max_examples=60, deadline=None)
@given(PROGRAMS)
def test_a_counterexample_replays_and_none_is_shorter(programs: list[list[str]]) -> None:
    found = explore(lambda: build(programs))
    again = explore(lambda: build(programs))
    assert found == again
    if found.kind in ("holds", "livelock"):
        return
    names = decode(found.schedule)
    world = build(programs)
    if found.kind == "deadlock":
        for name in names:
            advance(world, name)
        assert not any(task.ready for task in world.tasks)
        return
    with pytest.raises(Violation, match=found.kind):
        follow(world, names)


def follow(world: World, names: list[str]) -> None:
    for name in names:
        advance(world, name)


@given(st.lists(st.sampled_from(["a", "b", "cpu1"]), max_size=12))
def test_schedule_strings_round_trip(names: list[str]) -> None:
    assert decode(encode(names)) == names


@pytest.mark.parametrize("text", ["a:", ":3", "a:x", "a:0", "a:-1", "a:99999"])
def test_malformed_schedules_are_named(text: str) -> None:
    with pytest.raises(ScheduleError, match="not of the form"):
        decode(text)


def _world(*tasks: Op[None]) -> World:
    w = World()
    for index, task in enumerate(tasks):
        w.task(f"t{index}", task)
    return w


def test_deadlock_names_who_waits_for_what() -> None:
    def make() -> World:
        w = World()
        a, b = Mutex(w, "a"), Mutex(w, "b")

        def take(first: Mutex, second: Mutex) -> Op[None]:
            yield from first.lock()
            yield from second.lock()
            second.unlock()
            first.unlock()

        w.task("t0", take(a, b))
        w.task("t1", take(b, a))
        return w

    found = explore(make)
    assert found.kind == "deadlock"
    assert found.message == "t0 waits for lock(b), holding a; t1 waits for lock(a), holding b"
    assert found.schedule == "t0,t1"


def test_livelock_is_told_from_waiting_for_somebody() -> None:
    def make(released: bool) -> World:
        w = World()
        w.facts["go"] = False

        def spin() -> Op[None]:
            while not w.facts["go"]:
                yield "spin"

        def release() -> Op[None]:
            yield "release"
            w.facts["go"] = released

        w.task("t0", spin())
        w.task("t1", release())
        return w

    assert explore(lambda: make(True)).kind == "holds"
    assert explore(lambda: make(False)).kind == "livelock"


def test_bounds_have_names() -> None:
    def make() -> World:
        w = World()
        w.facts["n"] = 0

        def count() -> Op[None]:
            while True:
                yield "count"
                w.facts["n"] += 1

        w.task("t0", count())
        return w

    with pytest.raises(BoundError, match="longer than 400 steps"):
        explore(make)
    with pytest.raises(BoundError, match="more than 50 states"):
        explore(make, max_states=50)


def test_unreached_sometimes_is_reported() -> None:
    def one() -> Op[None]:
        yield "nothing"

    found = explore(lambda: _world(one(), one()), [("never", None), ("both done", lambda w: w.tasks[0].done)])
    assert found.kind == "holds"
    assert found.unreached == ("never",)
    assert not found.ok
    assert (found.states, found.edges, found.schedules) == (4, 4, 2)


def test_a_value_that_cannot_be_seen_is_refused() -> None:
    with pytest.raises(TypeError, match="cannot take object"):
        freeze(object())


def test_policies_and_collections_freeze_by_value() -> None:
    class Choice(Policy):
        pass

    assert freeze({"a": [1, (2, 3)], "b": {4}}) == freeze({"a": [1, (2, 3)], "b": {4}})
    assert freeze([1]) != freeze((1,))
    assert freeze(Choice()) == "Choice"


def test_a_grace_period_waits_for_the_readers_that_were_there() -> None:
    order: list[str] = []

    def make() -> World:
        w = World()
        rcu = Rcu(w)
        w.facts["freed"] = False

        def reader() -> Op[None]:
            yield "enter"
            rcu.read_lock()
            yield "inside"
            if w.facts["freed"] and w.facts.get("started inside"):
                w.fail("O5", "freed under a reader")
            rcu.read_unlock()

        def updater() -> Op[None]:
            yield "unlink"
            w.facts["started inside"] = bool(rcu.readers)
            yield from rcu.synchronize()
            w.facts["freed"] = True
            order.append("freed")

        w.task("reader", reader())
        w.task("updater", updater())
        return w

    assert explore(make).kind == "holds"
    assert order


def test_rwsem_admits_readers_together_and_writers_alone() -> None:
    def make() -> World:
        w = World()
        sem = RwSem(w, "mmap_lock")
        w.facts["inside"] = 0

        def reader() -> Op[None]:
            yield from sem.read_lock()
            if len(sem.readers) == 2:
                w.mark("two readers")
            yield "read"
            sem.read_unlock()

        def writer() -> Op[None]:
            yield from sem.write_lock()
            if sem.readers:
                w.fail("O15", "a writer beside a reader")
            yield "write"
            sem.write_unlock()

        w.task("r0", reader())
        w.task("r1", reader())
        w.task("w", writer())
        return w

    found = explore(make, [("two readers", None)])
    assert found.ok


def test_lock_misuse_is_reported() -> None:
    def make(kind: type[Spin] | type[Mutex]) -> World:
        w = World()
        lock = kind(w, "lock")

        def drop() -> Op[None]:
            yield "unlock"
            lock.unlock()

        w.task("t0", drop())
        return w

    assert explore(lambda: make(Spin)).kind == "O15"
    assert explore(lambda: make(Mutex)).message == "t0 unlocks lock, held by nobody"
