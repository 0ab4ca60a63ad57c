"""What a patch is once it has been read: hunks, file changes, patches and a set of them. Bytes stay bytes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from typing import Literal

from mmlint.finding import InputError, PatchRef
from mmlint.frozen import dataclass
from mmlint.inputs.subject import Subject

Kind = Literal["modified", "added", "deleted", "renamed", "copied", "mode", "binary"]
Tag = Literal[" ", "+", "-"]
Where = Literal["diff", "mail", "reply", "scissors", "attachment", "page", "git"]


@dataclass(frozen=True, slots=True)
class Hunk:
    """One `@@` block, checked: the lines are exactly as many as its header says.

    Starts count from 1 (0 for an empty side); `lines` are (tag, text without its newline); `line` is where the header
    stands in the input; the two flags say that the last line of a side has no newline at its end.
    """

    source_start: int
    source_length: int
    target_start: int
    target_length: int
    heading: str
    lines: tuple[tuple[Tag, bytes], ...]
    source_no_newline: bool = False
    target_no_newline: bool = False
    line: int = 0

    def source(self) -> list[bytes]:
        """The lines before the change, each with its newline (but for a last line that has none)."""
        return _side((text for tag, text in self.lines if tag != "+"), self.source_no_newline)

    def target(self) -> list[bytes]:
        """The lines after the change, each with its newline (but for a last line that has none)."""
        return _side((text for tag, text in self.lines if tag != "-"), self.target_no_newline)

    def numbered(self) -> Iterator[tuple[Tag, int, int, bytes]]:
        """Every line with its number before and after; the number of a side the line is not on is that of the next."""
        old = self.source_start if self.source_length else self.source_start + 1
        new = self.target_start if self.target_length else self.target_start + 1
        for tag, text in self.lines:
            yield tag, old, new, text
            old += tag != "+"
            new += tag != "-"


def _side(texts: Iterator[bytes], no_newline: bool) -> list[bytes]:
    lines = [text + b"\n" for text in texts]
    if no_newline and lines:
        lines[-1] = lines[-1][:-1]
    return lines


@dataclass(frozen=True, slots=True)
class FileChange:
    """What a patch does to one file. Paths are relative to the tree; a blob is an abbreviated object id or None.

    `damaged` says that hunks of this file could not be read (the errors name them), so it is not all there is.
    """

    old_path: str | None
    new_path: str | None
    hunks: tuple[Hunk, ...]
    kind: Kind
    old_blob: str | None = None
    new_blob: str | None = None
    old_mode: str | None = None
    new_mode: str | None = None
    damaged: bool = False
    line: int = 0

    @property
    def path(self) -> str:
        """The name of the file, the new one where it has two."""
        return self.new_path or self.old_path or ""

    def added_lines(self) -> frozenset[int]:
        """Numbers of the added lines, in the new file."""
        return frozenset(new for hunk in self.hunks for tag, _, new, _ in hunk.numbered() if tag == "+")

    def removed_lines(self) -> frozenset[int]:
        """Numbers of the removed lines, in the old file."""
        return frozenset(old for hunk in self.hunks for tag, old, _, _ in hunk.numbered() if tag == "-")


@dataclass(frozen=True, slots=True)
class Patch:
    """One patch and the mail around it. `index`/`total` are the n/m of the subject (1/1 without), `version` its vN.

    `subject` is without brackets and `Re:`, `mail_subject` as it was; `body` is the changelog above `---`, `comment`
    what stands from `---` to the diff; `author` wrote the patch, `sender` mailed it; `where` says how it was found;
    `source` is the input that it was read from, `line` where its mail or diff begins there.
    """

    index: int
    total: int
    version: int
    subject: str
    message_id: str
    in_reply_to: str
    references: tuple[str, ...]
    author: str
    date: str
    body: str
    changes: tuple[FileChange, ...]
    base_commit: str | None = None
    prerequisite_patch_ids: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    mail_subject: str = ""
    to: str = ""
    cc: str = ""
    sender: str = ""
    where: Where = "mail"
    line: int = 0
    commit: str | None = None
    comment: str = ""
    source: str = ""

    @property
    def ref(self) -> PatchRef:
        """How a finding names this patch."""
        return PatchRef(self.index, self.total, self.subject, self.message_id)

    @property
    def numbered(self) -> bool:
        """Whether the patch is a member n/m of a series as sent (not a fixup found in a reply)."""
        return self.total > 1 and self.where in ("mail", "page")


@dataclass(frozen=True, slots=True)
class Series:
    """Patches that belong together, in order. `missing` names members that are not among the mails.

    `earlier` are the numbers of members that were not sent again and come from an earlier version.
    """

    patches: tuple[Patch, ...]
    version: int = 1
    total: int = 1
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    earlier: tuple[int, ...] = ()

    @property
    def sent(self) -> tuple[Patch, ...]:
        """The members that were sent with this version."""
        return tuple(patch for patch in self.patches if patch.index not in self.earlier)


@dataclass(slots=True)
class PatchSet:
    """Everything found in one input. `patches` are those of `series`, in order; `mails` counts the mails looked at.

    `covers` are the subjects of the cover letters, by message id.
    """

    patches: list[Patch] = field(default_factory=list)
    series: list[Series] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    errors: list[InputError] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    mails: int = 0
    covers: dict[str, Subject] = field(default_factory=dict)
