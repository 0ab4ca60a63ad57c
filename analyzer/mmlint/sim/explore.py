"""Every interleaving of a scenario's tasks, each distinct state once, shortest counterexample first.

Breadth first over the states. Generators cannot be copied, so a state is reached by running its schedule again from
the start; a state that was seen before (`World.key`) is not gone into again. A state is all objects and, for every
task, the code position and locals of each frame, so two schedules that meet in one state have the same futures:
nothing is lost, which tests/sim/test_explore.py checks against `brute_force` on random programs.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mmlint.sim.world import Task, Violation, World

HOLDS = "holds"
Build = Callable[[], World]
Probe = Callable[[World], bool]


class SimError(Exception):
    """Something a user of the simulator asked for cannot be done; the message is one line."""


class BoundError(SimError):
    """The exploration was cut off: too many states or too long a schedule. The verdict is unknown."""


class ScheduleError(SimError):
    """A schedule string that does not fit the scenario: unknown task, a task that cannot run there, or not parsable."""


@dataclass(frozen=True)
class Outcome:
    """What exploring found. `kind` is `holds` or the broken oracle; `schedule` leads there, shortest first."""

    kind: str
    message: str
    schedule: str
    states: int
    edges: int
    schedules: int
    reached: frozenset[str]
    unreached: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """True when nothing is broken and every `sometimes` was reached."""
        return self.kind == HOLDS and not self.unreached


def encode(names: Iterable[str]) -> str:
    """Task names in order to a schedule string: `parent:3,child,parent:2`."""
    runs: list[tuple[str, int]] = []
    for name in names:
        if runs and runs[-1][0] == name:
            runs[-1] = (name, runs[-1][1] + 1)
        else:
            runs.append((name, 1))
    return ",".join(name if n == 1 else f"{name}:{n}" for name, n in runs)


def decode(schedule: str) -> list[str]:
    """A schedule string to task names. Raises `ScheduleError`."""
    names: list[str] = []
    for part in filter(None, schedule.replace(" ", "").split(",")):
        name, colon, count = part.partition(":")
        if not name or (colon and not count.isdecimal()) or (colon and not 0 < int(count) < 10_000):
            raise ScheduleError(f"schedule part '{part}' is not of the form task or task:count")
        names += [name] * (int(count) if colon else 1)
    return names


def advance(world: World, name: str) -> Task:
    """Let one task run one step. Raises `ScheduleError` when it does not exist or cannot run now."""
    for task in world.tasks:
        if task.name == name:
            if not task.ready:
                state = "has ended" if task.done else f"waits: {task.text}"
                raise ScheduleError(f"task {name} cannot run at this point of the schedule: it {state}")
            task.step()
            return task
    known = ", ".join(task.name for task in world.tasks)
    raise ScheduleError(f"no task {name} in this scenario (tasks: {known})")


def settle(world: World) -> None:
    """Check the properties that hold in every state; at the end also those of the end."""
    for check in world.checks:
        check()
    if all(task.done for task in world.tasks):
        world.current = world.setup
        for check in world.final:
            check()
    elif not any(task.ready for task in world.tasks):
        waiting = "; ".join(
            f"{t.name} waits for {t.text}, holding {', '.join(t.holds) or 'nothing'}" for t in world.tasks if not t.done
        )
        raise Violation("deadlock", waiting)


class _Graph:
    """The states found so far: number, schedule and edges of each."""

    def __init__(self) -> None:
        self.number: dict[object, int] = {}
        self.path: list[tuple[str, ...]] = []
        self.next: list[list[int]] = []
        self.ended: list[bool] = []

    def add(self, key: object, path: tuple[str, ...], ended: bool) -> int:
        index = self.number[key] = len(self.path)
        self.path.append(path)
        self.next.append([])
        self.ended.append(ended)
        return index

    def stuck(self) -> int | None:
        """The first state from which no end can be reached, if there is one."""
        back: list[list[int]] = [[] for _ in self.path]
        for source, targets in enumerate(self.next):
            for target in targets:
                back[target].append(source)
        todo = [i for i, ended in enumerate(self.ended) if ended]
        good = set(todo)
        while todo:
            for source in back[todo.pop()]:
                if source not in good:
                    good.add(source)
                    todo.append(source)
        return next((i for i in range(len(self.path)) if i not in good), None)

    def schedules(self) -> int:
        """Number of complete schedules the graph stands for (paths without a cycle)."""
        count: dict[int, int] = {}
        stack = [(0, False)]
        open_now: set[int] = set()
        while stack:
            node, leaving = stack.pop()
            if leaving:
                open_now.discard(node)
                count[node] = int(self.ended[node]) + sum(count.get(t, 0) for t in self.next[node])
            elif node not in count and node not in open_now:
                open_now.add(node)
                stack.append((node, True))
                stack.extend((t, False) for t in self.next[node] if t not in count)
        return count.get(0, 0)


def explore(
    build: Build,
    sometimes: Iterable[tuple[str, Probe | None]] = (),
    max_states: int = 60_000,
    max_steps: int = 400,
) -> Outcome:
    """Run all interleavings of `build()`. A `sometimes` without a probe is a mark the model sets itself.

    Raises `BoundError` when there are more states or longer schedules than the bounds allow.
    """
    wanted = dict(sometimes)
    graph = _Graph()
    reached: set[str] = set()
    edges = 0

    def outcome(kind: str, message: str, path: tuple[str, ...]) -> Outcome:
        missing = tuple(name for name in wanted if name not in reached) if kind == HOLDS else ()
        return Outcome(
            kind, message, encode(path), len(graph.path), edges, graph.schedules(), frozenset(reached), missing
        )

    def visit(world: World, path: tuple[str, ...]) -> int | None:
        """Number of the state, new ones checked and queued; None after nothing new."""
        reached.update(world.marks)
        key = world.key()
        known = graph.number.get(key)
        if known is not None:
            return known
        ready = [task.name for task in world.tasks if task.ready]
        index = graph.add(key, path, all(task.done for task in world.tasks))
        reached.update(name for name, probe in wanted.items() if probe is not None and probe(world))
        settle(world)
        reached.update(world.marks)
        queue.append((index, path, ready))
        return index

    queue: deque[tuple[int, tuple[str, ...], list[str]]] = deque()
    path: tuple[str, ...] = ()
    try:
        visit(build(), path)
        while queue:
            index, start, ready = queue.popleft()
            for name in ready:
                path = (*start, name)
                if len(path) > max_steps:
                    raise BoundError(f"a schedule is longer than {max_steps} steps: a task does not end")
                if len(graph.path) > max_states:
                    raise BoundError(f"more than {max_states} states: use fewer tasks or coarser operations")
                edges += 1
                world = build()
                for earlier in start:
                    advance(world, earlier)
                advance(world, name)
                target = visit(world, path)
                if target is not None:
                    graph.next[index].append(target)
    except Violation as broken:
        return outcome(broken.kind, broken.message, path)
    stuck = graph.stuck()
    if stuck is not None:
        return outcome("livelock", "from here no schedule ends: the tasks run for ever", graph.path[stuck])
    return outcome(HOLDS, "", ())


def brute_force(build: Build, max_schedules: int = 200_000) -> frozenset[str]:
    """The kinds of outcome over all schedules, without merging states: what `explore` is checked against."""
    kinds: set[str] = set()
    todo: list[tuple[str, ...]] = [()]
    seen = 0
    while todo:
        path = todo.pop()
        seen += 1
        if seen > max_schedules:
            raise BoundError(f"more than {max_schedules} schedules")
        world = build()
        try:
            settle(world)
            for name in path:
                advance(world, name)
                settle(world)
        except Violation as broken:
            kinds.add(broken.kind)
            continue
        ready = [task.name for task in world.tasks if task.ready]
        if not ready:
            kinds.add(HOLDS)
        todo.extend((*path, name) for name in ready)
    return frozenset(kinds)


def outcomes(build: Build, max_states: int = 60_000) -> frozenset[str]:
    """All kinds of outcome that some schedule has, each state once: going on past the first counterexample."""
    kinds: set[str] = set()
    seen: set[object] = set()
    todo: list[tuple[str, ...]] = [()]
    while todo:
        path = todo.pop()
        world = build()
        try:
            for name in path:
                advance(world, name)
            key = world.key()
            if key in seen:
                continue
            seen.add(key)
            if len(seen) > max_states:
                raise BoundError(f"more than {max_states} states")
            settle(world)
        except Violation as broken:
            kinds.add(broken.kind)
            continue
        ready = [task.name for task in world.tasks if task.ready]
        if not ready:
            kinds.add(HOLDS)
        todo.extend((*path, name) for name in ready)
    return frozenset(kinds)
