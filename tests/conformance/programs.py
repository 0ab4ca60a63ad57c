"""The scenarios that an ordinary program can drive, run on the kernel at hand: one function each, by scenario id.

    python -m tests.conformance.programs S1 20

prints `holds` or `breaks` for each run with what was seen, or `skip` with the reason. A program says what the property
of its scenario asks; which outcome is right for a present-day kernel the simulator says.
"""

from __future__ import annotations

import mmap
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mmlint.sim.model.kernel import UPSTREAM

from tests.conformance.kernel import (
    MADV_DONTFORK,
    MADV_WIPEONFORK,
    PAGE,
    Device,
    Pages,
    UnsupportedError,
    pagemap,
    vmsplice,
)
from tests.lab.model import Behaviour

Verdict = tuple[bool, str]
HUGE = 2 << 20


class Child:
    """A forked process that answers one question when told to, and leaves."""

    def __init__(self, body: Callable[[], str]) -> None:
        self.go, self.answer = os.pipe(), os.pipe()
        self.pid = os.fork()
        if not self.pid:
            os.read(self.go[0], 1)
            os.write(self.answer[1], body().encode() or b"-")
            os._exit(0)

    def ask(self) -> str:
        """What the body returns; the child is gone afterwards."""
        os.write(self.go[1], b"!")
        text = os.read(self.answer[0], 100).decode()
        os.waitpid(self.pid, 0)
        return text


def _shared(pages: Pages, device: Device, offset: int = 0) -> Verdict:
    """Whether owner and device still use the same page."""
    pages[offset] = "B"
    seen = device.read(0)
    device.write(1, "D")
    text = f"owner wrote B, device reads {seen}; device wrote D, owner reads {pages[offset + 1]}"
    return (seen, pages[offset + 1]) == ("B", "D"), text


def pinned_page_fork() -> Verdict:
    """S1: the child leaves, then the owner writes."""
    pages = Pages()
    device = Device(pages)
    Child(lambda: "").ask()
    return _shared(pages, device)


def pinned_page_fork_child_stays() -> Verdict:
    """S3: the child stays, and sees neither what owner nor device write."""
    pages = Pages()
    device = Device(pages)
    child = Child(lambda: pages[0] + pages[1])
    same, text = _shared(pages, device)
    seen = child.ask()
    return same and seen == "AA", f"{text}; child reads {seen}"


def pinned_huge_page_fork() -> Verdict:
    """S28: as S1 on a transparent huge page."""
    pages = Pages(HUGE, huge=True)
    if "AnonHugePages:         0 kB" in Path("/proc/self/smaps_rollup").read_text():
        raise UnsupportedError("no transparent huge page")
    device = Device(pages, offset=5 * PAGE)
    Child(lambda: "").ask()
    return _shared(pages, device, 5 * PAGE)


def missed_cow() -> Verdict:
    """S8: a child gives its page to a pipe, unmaps it, and reads after the parent has written."""
    pages = Pages()
    ready = os.pipe()
    pipe = os.pipe()
    go, answer = os.pipe(), os.pipe()
    if not os.fork():
        vmsplice(pipe[1], pages)
        pages.unmap()
        os.write(ready[1], b"!")
        os.read(go[0], 1)
        os.write(answer[1], os.read(pipe[0], 1))
        os._exit(0)
    os.read(ready[0], 1)
    pages[0] = "S"
    os.write(go[1], b"!")
    seen = os.read(answer[0], 1).decode()
    os.wait()
    return seen == "A", f"parent wrote S after the fork, the child's pipe reads {seen}"


def mprotect_against_io() -> Verdict:
    """CW3: write permission goes and comes back while the page is pinned."""
    pages = Pages()
    device = Device(pages)
    pages.protect(mmap.PROT_READ)
    pages.protect(mmap.PROT_READ | mmap.PROT_WRITE)
    return _shared(pages, device)


def dontfork() -> Verdict:
    """S30: the pinned range is not there in the child, and the owner keeps its page."""
    pages = Pages()
    device = Device(pages)
    pages.advise(MADV_DONTFORK)
    Child(lambda: "").ask()
    return _shared(pages, device)


def wipeonfork() -> Verdict:
    """S30 with MADV_WIPEONFORK: the child reads zeros, the owner keeps its page."""
    pages = Pages()
    pages.advise(MADV_WIPEONFORK)
    device = Device(pages)
    child = Child(lambda: str(ord(pages[0])))
    same, text = _shared(pages, device)
    seen = child.ask()
    return same and seen == "0", f"{text}; child reads byte {seen}"


def exclusive_after_fork() -> Verdict:
    """EXCL1: the child does not see what the parent writes after the fork."""
    pages = Pages()
    child = Child(lambda: pages[0])
    pages[0] = "B"
    seen = child.ask()
    return seen == "A", f"parent wrote B after the fork, child reads {seen}"


def transient_reference() -> Verdict:
    """S6: a plain reference (a pipe) of a process whose child is gone; then the owner writes."""
    pages = Pages()
    Child(lambda: "").ask()
    pipe = os.pipe()
    vmsplice(pipe[1], pages)
    pages[0] = "B"
    seen = os.read(pipe[0], 1).decode()
    return seen == "B", f"owner wrote B, the pipe reads {seen}"


def wrong_side_of_cow() -> Verdict:
    """S9 with a plain reference: the page is shared with a child that stays when it goes to the pipe."""
    pages = Pages()
    child = Child(lambda: pages[0])
    pipe = os.pipe()
    vmsplice(pipe[1], pages)
    pages[0] = "B"
    seen = os.read(pipe[0], 1).decode()
    child.ask()
    return seen == "B", f"owner wrote B, the pipe reads {seen}"


def read_only_buffer() -> Verdict:
    """FG8: a buffer mapped for reading is not taken for writing."""
    pages = Pages()
    pages.protect(mmap.PROT_READ)
    Device(Pages())
    try:
        Device(pages)
    except UnsupportedError as refused:
        return True, f"a read-only buffer is refused: {refused}"
    return False, "a read-only buffer is taken for writing"


def forced_write() -> Verdict:
    """FORCE1: a forced write through a private mapping does not reach the file."""
    file = os.memfd_create("file")
    os.write(file, b"AAAA")
    with mmap.mmap(file, 4, mmap.MAP_PRIVATE, mmap.PROT_READ) as view, Path("/proc/self/mem").open("r+b", 0) as memory:
        address = next(
            int(line.split("-")[0], 16)
            for line in Path("/proc/self/maps").read_text().splitlines()
            if "memfd:file" in line
        )
        memory.seek(address)
        memory.write(b"P")
        seen = os.pread(file, 1, 0).decode()
        return seen == "A", f"P was forced into a private mapping: it reads {chr(view[0])}, the file holds {seen}"


def soft_dirty() -> Verdict:
    """SOFT1 without the swap: a write after clear_refs shows in the page map."""
    pages = Pages()
    if not pagemap(pages) >> 55 & 1:
        raise UnsupportedError("no soft-dirty in this kernel: a fresh page is not soft-dirty")
    Path("/proc/self/clear_refs").write_text("4")
    pages[0] = "B"
    return bool(pagemap(pages) >> 55 & 1), f"written after clear_refs: soft-dirty is {pagemap(pages) >> 55 & 1}"


@dataclass(frozen=True, slots=True)
class Program:
    """A program, its scenario, and what of the model is this kernel: a variant, or the present-day kernel's policy."""

    scenario: str
    kernel: Behaviour
    run: Callable[[], Verdict]


PROGRAMS: dict[str, Program] = {
    "pinned-page-fork": Program("S1", Behaviour("upstream"), pinned_page_fork),
    "pinned-page-fork-child-stays": Program("S3", Behaviour("upstream"), pinned_page_fork_child_stays),
    "pinned-huge-page-fork": Program("S28", Behaviour("upstream, pmd", (UPSTREAM, "pmd")), pinned_huge_page_fork),
    "missed-cow-through-reference": Program("S8", Behaviour("upstream get"), missed_cow),
    "transient-reference": Program("S6", Behaviour("upstream"), transient_reference),
    "reference-on-wrong-side": Program("S9", Behaviour("upstream get", (UPSTREAM, "get")), wrong_side_of_cow),
    "mprotect-against-short-io": Program("CW3", Behaviour("exclusive"), mprotect_against_io),
    "dontfork": Program("S30", Behaviour("before"), dontfork),
    "wipeonfork": Program("S30", Behaviour("before"), wipeonfork),
    "exclusive-after-fork": Program("EXCL1", Behaviour("marker-cleared"), exclusive_after_fork),
    "read-only-buffer": Program("FG8", Behaviour("tests"), read_only_buffer),
    "forced-write": Program("FORCE1", Behaviour("dirty-anon"), forced_write),
    "soft-dirty": Program("SOFT1", Behaviour("bit-carried"), soft_dirty),
}
"""By name."""


def main(name: str, runs: int) -> None:
    """One line for each run."""
    for _ in range(runs):
        try:
            holds, seen = PROGRAMS[name].run()
        except (UnsupportedError, OSError) as reason:
            print(f"skip {reason}")
            return
        print("holds" if holds else "breaks", seen, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
