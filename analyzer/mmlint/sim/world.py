"""One state of the simulated machine: the objects of the model, the tasks, and what a task holds.

A task is a generator. Every `yield` is a place where another CPU may run; what stands between two yields happens at
once. The yielded text names the action that *follows*; a `Wait` names it too and says when it can happen.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from gc import get_referents
from operator import length_hint
from types import FrameType
from typing import Any, NoReturn, TypeAlias, TypeVar

T = TypeVar("T")


class Violation(Exception):  # noqa: N818 - it is a verdict of the model, not an error of the program
    """A property of the model is broken. `kind` is an oracle (`O1`..), `deadlock` or `livelock`."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind = kind
        self.message = message


class Wait:
    """A yielded action that can happen only while `ready()` is true (a lock is free, an answer has come)."""

    __slots__ = ("ready", "text")

    def __init__(self, text: str, ready: Callable[[], bool]) -> None:
        self.text = text
        self.ready = ready


Op: TypeAlias = Generator["str | Wait", None, T]
"""An operation of the model: yields between its atomic actions and returns a value."""


class Policy:
    """Base of the values that choose between kernel behaviours. They never change in a run, so they are no state."""

    __slots__ = ()


class Obj:
    """A piece of machine state. `FIELDS` names the attributes that make up its state, in the order they are shown."""

    __slots__ = ("name", "w")
    FIELDS: tuple[str, ...] = ()

    def __init__(self, w: World, name: str) -> None:
        self.w = w
        self.name = w.register(self, name)

    def __repr__(self) -> str:
        return self.name


class Task(Obj):
    """A CPU running one thread: its generator, the atomic contexts it is in, and what it has seen."""

    __slots__ = ("atomic", "done", "gen", "holds", "irqs_off", "next", "seen")
    FIELDS = ("atomic", "done", "holds", "irqs_off", "seen")

    def __init__(self, w: World, name: str, gen: Op[Any]) -> None:
        super().__init__(w, name)
        self.gen = gen
        self.atomic: list[str] = []
        self.holds: list[str] = []
        self.irqs_off = 0
        self.seen: dict[str, Any] = {}
        self.done = False
        self.next: str | Wait = ""

    @property
    def text(self) -> str:
        """What the task does when it runs next."""
        return self.next.text if isinstance(self.next, Wait) else self.next

    @property
    def ready(self) -> bool:
        """True while the task can run."""
        return not self.done and (not isinstance(self.next, Wait) or self.next.ready())

    def step(self) -> None:
        """Run to the next yield. Raises `Violation` when the action breaks a property."""
        self.w.current = self
        try:
            self.next = next(self.gen)
        except StopIteration:
            self.done = True
            self.next = "done"
            if self.holds and self.w.strict:
                raise Violation("O15", f"{self.name} ends with {', '.join(self.holds)} still held") from None
            if self.atomic and self.w.strict:
                raise Violation("O15", f"{self.name} ends inside {', '.join(self.atomic)}") from None


class World:
    """Everything that makes up one state, and the few services all operations use."""

    def __init__(self) -> None:
        self.objects: dict[str, Obj] = {}
        self.tasks: list[Task] = []
        self.marks: set[str] = set()
        self.facts: dict[str, Any] = {}
        self.current: Task = None  # type: ignore[assignment]
        self.setup = Task(self, "setup", _idle())
        self.current = self.setup
        self.strict = True
        self.checks: list[Callable[[], None]] = []
        self.final: list[Callable[[], None]] = []

    def register(self, obj: Obj, name: str) -> str:
        """Give `obj` a name no other object of this world has."""
        unique, n = name, 2
        while unique in self.objects:
            unique, n = f"{name}{n}", n + 1
        self.objects[unique] = obj
        return unique

    def task(self, name: str, gen: Op[Any]) -> Task:
        """Add a task; it stops before its first action."""
        task = Task(self, name, gen)
        self.tasks.append(task)
        task.step()
        self.current = self.setup
        return task

    def run(self, gen: Op[T]) -> T:
        """Run an operation to its end with nobody else running: for the setup and for the teardown."""
        self.current = self.setup
        while True:
            try:
                step = next(gen)
            except StopIteration as stop:
                result: T = stop.value
                return result
            if isinstance(step, Wait) and not step.ready():
                raise Violation("deadlock", f"{step.text} can never happen: nobody else is left to run")

    def fail(self, kind: str, message: str) -> NoReturn:
        """Report a broken property."""
        raise Violation(kind, message)

    def mark(self, name: str) -> None:
        """Record that an interesting situation was reached (what `sometimes` asks for)."""
        self.marks.add(name)

    def might_sleep(self, what: str) -> None:
        """Oracle O3: nothing that sleeps may run under a spinlock, in an RCU section or with interrupts off."""
        task = self.current
        if task.atomic or task.irqs_off:
            held = ", ".join(task.atomic) or "interrupts off"
            raise Violation("O3", f"{task.name}: {what} may sleep inside {held}")

    def pages(self) -> Iterable[Any]:
        """All pages, for the oracles."""
        from mmlint.sim.model.page import Page

        return [obj for obj in self.objects.values() if isinstance(obj, Page)]

    def key(self) -> Any:
        """The whole state as a hashable value: objects, facts, and where each task stands with which locals."""
        parts: list[Any] = []
        for obj in self.objects.values():
            for name in obj.FIELDS:
                value = getattr(obj, name)
                parts.append(value if value.__class__ in _PLAIN else freeze(value))
        parts.append(freeze(self.facts))
        for task in self.tasks:
            gen: Any = task.gen
            while gen is not None:
                frame: FrameType | None = gen.gi_frame
                if frame is not None:
                    parts.append(frame.f_code.co_name)
                    parts.append(frame.f_lasti)
                    parts.extend(_locals(frame))
                    parts.extend(_loops(gen))
                gen = getattr(gen, "gi_yieldfrom", None)
        return tuple(parts)


_PLAIN = {int, str, bool, type(None)}


def _idle() -> Op[None]:
    return
    yield ""


def _locals(frame: FrameType) -> Iterable[Any]:
    for name, value in frame.f_locals.items():
        cls = value.__class__
        if cls is World or isinstance(value, Policy):
            continue
        yield (name, value if cls in _PLAIN else freeze(value))


def _loops(gen: Any) -> Iterable[Any]:
    """How far the `for` loops of a suspended generator are.

    Their iterators are on the value stack of the frame, not among its locals; CPython shows them to the collector.
    Without them two turns of a loop over equal items would look like one state.
    """
    for held in get_referents(gen):
        if held.__class__ not in _PLAIN and hasattr(held, "__next__") and not isinstance(held, Generator):
            yield _progress(held)


def _progress(iterator: Any) -> Any:
    left = length_hint(iterator, -1)
    if left >= 0:
        return left
    if isinstance(iterator, (enumerate, zip, map, filter, reversed)):
        return tuple(
            _progress(part) if hasattr(part, "__next__") else part
            for part in iterator.__reduce__()[1]
            if part.__class__ in _PLAIN or hasattr(part, "__next__")
        )
    raise TypeError(f"cannot take a loop over {iterator.__class__.__name__} into the state key: use a list or range")


def freeze(value: Any) -> Any:
    """A hashable picture of a value; objects of the model stand for themselves by name.

    Raises TypeError for a type whose state it cannot see: the exploration would merge states that differ.
    """
    if value.__class__ in _PLAIN or isinstance(value, (float, bytes)):
        return value
    if isinstance(value, Obj):
        return "@" + value.name
    if isinstance(value, (tuple, list)):
        return (value.__class__.__name__, *(freeze(item) for item in value))
    if isinstance(value, dict):
        return tuple((freeze(k), freeze(v)) for k, v in value.items())
    if isinstance(value, (set, frozenset)):
        return tuple(sorted(map(repr, map(freeze, value))))
    if isinstance(value, Policy):
        return value.__class__.__name__
    if callable(value):
        return getattr(value, "__qualname__", repr(value))
    if isinstance(value, Generator):
        return "generator"
    if isinstance(value, BaseException):
        return repr(value)
    frozen = getattr(value, "__dict__", None)
    if frozen is not None and getattr(value, "STATE", False):
        return freeze(frozen)
    raise TypeError(f"cannot take {value.__class__.__name__} into the state key: use model objects, tuples and numbers")
