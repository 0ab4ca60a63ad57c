"""What a rule reports (`Hit`) and what a user gets to see (`Finding`)."""

from __future__ import annotations

import hashlib
from dataclasses import field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from mmlint.frozen import dataclass

if TYPE_CHECKING:
    from mmlint.sim.scenario import Scenario


class Severity(StrEnum):
    """How bad the reported pattern is where it is real; a policy may remap it."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"

    @property
    def rank(self) -> int:
        """0 for info, 2 for error: comparable with `>=`."""
        return ("info", "warning", "error").index(self.value)


class Confidence(StrEnum):
    """How sure the analysis is that the pattern is there."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"

    @property
    def rank(self) -> int:
        """0 for low, 2 for high."""
        return ("low", "medium", "high").index(self.value)

    def at_most(self, other: Confidence) -> Confidence:
        """The lower of the two."""
        return self if self.rank <= other.rank else other


class Origin(StrEnum):
    """Where a finding comes from, seen from a patch (`PRESENT`: there was no patch)."""

    NEW = "new"
    PRE_EXISTING = "pre-existing"
    PRESENT = "present"
    FIXED = "fixed"


@dataclass(frozen=True, slots=True)
class Step:
    """One place on the way to a finding: the lock, a call on the way, the exit. Lines count from 1."""

    path: str
    line: int
    message: str


@dataclass(frozen=True, slots=True)
class Hit:
    """A place that breaks a rule, as the rule sees it.

    `path` is None for the analysed function's own file. `anchor` is the normalised source text that identifies the
    place when lines move; it goes into the fingerprint. `severity`, `confidence` and `scenario` override the rule's
    defaults. `cause` names the mistake: of the hits of a rule in one file that share it, one is reported.
    """

    line: int
    message: str
    column: int = 1
    end_line: int | None = None
    anchor: str = ""
    steps: tuple[Step, ...] = ()
    severity: Severity | None = None
    confidence: Confidence | None = None
    path: str | None = None
    scenario: Scenario | None = None
    cause: str = ""


@dataclass(frozen=True, slots=True)
class PatchRef:
    """The mail that brought a finding. `index`/`total` are the n/m of the subject (1/1 without)."""

    index: int
    total: int
    subject: str
    message_id: str


@dataclass(frozen=True, slots=True)
class Simulation:
    """The executable proof of a rule: scenario, recorded schedule, pytest id, and the command that replays it."""

    scenario: str
    schedule: str
    test: str
    command: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One reported place. `line` and `column` count from 1 and are those of the new file; columns are characters."""

    code: str
    name: str
    severity: Severity
    confidence: Confidence
    message: str
    path: str
    line: int
    column: int
    end_line: int
    function: str
    origin: Origin
    simulation: Simulation
    steps: tuple[Step, ...] = ()
    patch: PatchRef | None = None
    anchor: str = ""
    ordinal: int = 0
    notes: tuple[str, ...] = field(default=())
    cause: str = ""

    @property
    def fingerprint(self) -> str:
        """Stable across moved lines, renamed files and reindentation: code, function, normalised text, ordinal."""
        key = "\0".join((self.code, self.function, self.anchor, str(self.ordinal)))
        return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()[:20]

    @property
    def sort_key(self) -> tuple[str, int, int, str, str]:
        """The order of every output: path, line, column, code, message."""
        return (self.path, self.line, self.column, self.code, self.message)

    def with_origin(self, origin: Origin, patch: PatchRef | None = None) -> Finding:
        """The same finding seen from a patch."""
        return replace(self, origin=origin, patch=patch or self.patch)


@dataclass(frozen=True, slots=True)
class InputError:
    """Something that could not be read, or a rule that failed, in one line that says what to do."""

    path: str
    message: str
    line: int = 0


@dataclass(frozen=True, slots=True)
class Ignore:
    """An inline `mmlint: ignore[CODE] reason`, in a source file at `line` or in the mail of `patch`.

    `last_line` is where the comment that holds it ends. For a mail `path` is empty.
    """

    path: str
    line: int
    last_line: int
    codes: tuple[str, ...]
    reason: str
    patch: PatchRef | None = None


@dataclass(frozen=True, slots=True)
class Suppressed:
    """A finding that is not counted, and why: `kind` is inline, mail, file or baseline; `where` names the silencer."""

    finding: Finding
    kind: str
    reason: str
    where: str


@dataclass(frozen=True, slots=True)
class Mail:
    """The mail of a patch as far as a reply needs it.

    `subject` is as sent, with its `[PATCH v2 2/3]`. `comment` is the text from `---` to the diff, `diff` the text from
    the first `diff --git` on, decoded.
    """

    patch: PatchRef
    subject: str = ""
    author: str = ""
    date: str = ""
    to: tuple[str, ...] = ()
    cc: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    diff: str = ""
    comment: str = ""


@dataclass(slots=True)
class Stats:
    """What was looked at."""

    files: int = 0
    functions: int = 0
    functions_unread: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Policy:
    """What a rule looked at in a tree, and what came of it.

    `state`: `checked`, or why it did not run. `places` is None where they are not counted, `broken` how many of them
    break the rule; several of one cause are one finding. `failed` findings count, the others are silenced by an inline
    ignore, a suppression file or the baseline (`suppressed`), or dropped by the policy's levels (`left_out`).
    """

    code: str
    name: str
    state: str
    what: str = ""
    places: int | None = None
    broken: int = 0
    failed: int = 0
    inline: int = 0
    file: int = 0
    baseline: int = 0
    left_out: int = 0

    @property
    def passed(self) -> int | None:
        """The places that hold."""
        return None if self.places is None else max(self.places - self.broken, 0)


@dataclass(slots=True)
class Report:
    """Everything one run found.

    `fixed` lists what a patch takes away; `notes` are for people (skipped mails, base used).
    """

    findings: list[Finding] = field(default_factory=list)
    errors: list[InputError] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    fixed: list[Finding] = field(default_factory=list)
    stats: Stats = field(default_factory=Stats)
    sources: dict[str, list[str]] = field(default_factory=dict)
    """Source lines of the files that findings point into, for the writers that show excerpts."""
    ignores: list[Ignore] = field(default_factory=list)
    """The inline ignores of the files analysed and of the mails read."""
    whole: list[str] = field(default_factory=list)
    """Files of which every function was analysed: there a silencer that did nothing is useless."""
    placed: list[PatchRef] = field(default_factory=list)
    """The patches analysed as a whole on their tree: there an ignore in the mail that did nothing is useless."""
    mails: list[Mail] = field(default_factory=list)
    """The mails of the patches, in order, for the writers that answer them."""
    suppressed: list[Suppressed] = field(default_factory=list)
    """What policy took out of `findings`."""
    places: dict[str, tuple[int, int]] = field(default_factory=dict)
    """By rule the places that an audit looked at and those of them that break it; -1: looked at, but not counted."""
    left_out: dict[str, int] = field(default_factory=dict)
    """By rule the findings that the policy drops: not sure enough, or of a file where the rule is ignored."""
    policies: list[Policy] = field(default_factory=list)
    """The policy report, if one was asked for."""
    interrupted: bool = False
    """The run was ended by the user: this is what was found until then."""

    def extend(self, other: Report) -> None:
        """Add everything another report holds."""
        for name in ("findings", "errors", "notes", "fixed", "ignores", "whole", "placed", "mails", "suppressed"):
            getattr(self, name).extend(getattr(other, name))
        self.sources.update(other.sources)
        for code, (looked, broken) in other.places.items():
            before = self.places.get(code, (0, 0))
            self.places[code] = (max(before[0], 0) + looked if looked >= 0 else -1, before[1] + broken)
        self.interrupted |= other.interrupted
        for name in ("files", "functions", "functions_unread", "seconds"):
            setattr(self.stats, name, getattr(self.stats, name) + getattr(other.stats, name))
