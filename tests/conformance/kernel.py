"""System calls that the standard library lacks, by ctypes: mappings, pins by io_uring, page references by vmsplice.

x86-64 and arm64 share every number used here. A call that the kernel refuses raises `UnsupportedError` with the reason.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import struct
from pathlib import Path

PAGE = mmap.PAGESIZE
LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.mmap.restype = ctypes.c_void_p
LIBC.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
LIBC.syscall.restype = ctypes.c_long
FAILED = ctypes.c_void_p(-1).value

MADV_DONTFORK, MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_WIPEONFORK = 10, 14, 15, 18
IO_URING_SETUP, IO_URING_ENTER, IO_URING_REGISTER = 425, 426, 427
READ_FIXED, WRITE_FIXED, GETEVENTS = 4, 5, 1
SQ_RING, CQ_RING, SQES = 0, 0x8000000, 0x10000000


class UnsupportedError(Exception):
    """The kernel or the sandbox lacks something: the text says what."""


def _check(result: int, what: str) -> int:
    if result < 0:
        raise UnsupportedError(f"{what}: {os.strerror(ctypes.get_errno())}")
    return result


def syscall(number: int, *arguments: object) -> int:
    """A raw system call; -1 with errno set on failure."""
    return int(LIBC.syscall(ctypes.c_long(number), *arguments))


class Pages:
    """Private anonymous memory, filled with `A`, small pages unless `huge`."""

    def __init__(self, length: int = PAGE, huge: bool = False) -> None:
        size = 2 * length if huge else length
        address = LIBC.mmap(None, size, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
        if address == FAILED:
            raise UnsupportedError("mmap")
        self.address = (address + length - 1) // length * length if huge else address
        self.length = length
        self.advise(MADV_HUGEPAGE if huge else MADV_NOHUGEPAGE)
        ctypes.memset(self.address, ord("A"), length)

    def advise(self, advice: int) -> None:
        """madvise on all of it. Raises `UnsupportedError`."""
        result = LIBC.madvise(ctypes.c_void_p(self.address), ctypes.c_size_t(self.length), advice)
        _check(result, f"madvise({advice})")

    def unmap(self) -> None:
        """munmap."""
        _check(LIBC.munmap(ctypes.c_void_p(self.address), ctypes.c_size_t(self.length)), "munmap")

    def protect(self, protection: int) -> None:
        """mprotect."""
        result = LIBC.mprotect(ctypes.c_void_p(self.address), ctypes.c_size_t(self.length), protection)
        _check(result, "mprotect")

    def __getitem__(self, offset: int) -> str:
        return chr(ctypes.c_ubyte.from_address(self.address + offset).value)

    def __setitem__(self, offset: int, value: str) -> None:
        ctypes.c_ubyte.from_address(self.address + offset).value = ord(value)


class Iovec(ctypes.Structure):
    """struct iovec."""

    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


def vmsplice(pipe: int, pages: Pages) -> None:
    """Gives the first page to a pipe: a reference that outlives the mapping."""
    iovec = Iovec(pages.address, PAGE)
    _check(int(LIBC.vmsplice(pipe, ctypes.byref(iovec), 1, 0)), "vmsplice")


class Device:
    """A long-term pin for writing: a registered buffer of io_uring, reached from our side by two pipes."""

    def __init__(self, pages: Pages, length: int = PAGE, offset: int = 0) -> None:
        parameters = ctypes.create_string_buffer(120)
        self.ring = _check(syscall(IO_URING_SETUP, 8, parameters), "io_uring_setup")
        words = struct.unpack("<30I", parameters.raw)
        self.sq, self.cq = words[10:20], words[20:30]
        self.sq_ring = mmap.mmap(self.ring, self.sq[6] + words[0] * 4, offset=SQ_RING)
        self.cq_ring = mmap.mmap(self.ring, self.cq[5] + words[1] * 16, offset=CQ_RING)
        self.sqes = mmap.mmap(self.ring, words[0] * 64, offset=SQES)
        self.to, self.back = os.pipe(), os.pipe()
        self.base = pages.address + offset
        iovec = Iovec(self.base, length)
        _check(syscall(IO_URING_REGISTER, self.ring, 0, ctypes.byref(iovec), 1), "IORING_REGISTER_BUFFERS")

    def write(self, offset: int, value: str) -> None:
        """The device writes into the page it holds."""
        os.write(self.to[1], value.encode())
        self._transfer(READ_FIXED, self.to[0], offset)

    def read(self, offset: int) -> str:
        """What the device reads from the page it holds."""
        self._transfer(WRITE_FIXED, self.back[1], offset)
        return os.read(self.back[0], 1).decode()

    def _transfer(self, operation: int, fd: int, offset: int) -> None:
        tail = _word(self.sq_ring, self.sq[1])
        index = tail & _word(self.sq_ring, self.sq[2])
        entry = struct.pack("<BBHiQQI", operation, 0, 0, fd, 2**64 - 1, self.base + offset, 1).ljust(64, b"\0")
        self.sqes[index * 64 : index * 64 + 64] = entry
        struct.pack_into("<I", self.sq_ring, self.sq[6] + index * 4, index)
        struct.pack_into("<I", self.sq_ring, self.sq[1], tail + 1)
        _check(syscall(IO_URING_ENTER, self.ring, 1, 1, GETEVENTS, None, 0), "io_uring_enter")
        head = _word(self.cq_ring, self.cq[0])
        place = self.cq[5] + (head & _word(self.cq_ring, self.cq[2])) * 16
        result = struct.unpack_from("<i", self.cq_ring, place + 8)[0]
        struct.pack_into("<I", self.cq_ring, self.cq[0], head + 1)
        if result != 1:
            raise UnsupportedError(f"io_uring transfer: {result}")


def _word(memory: mmap.mmap, offset: int) -> int:
    return int(struct.unpack_from("<I", memory, offset)[0])


def pagemap(pages: Pages) -> int:
    """The entry of the first page in /proc/self/pagemap."""
    with Path("/proc/self/pagemap").open("rb") as file:
        file.seek(pages.address // PAGE * 8)
        return int(struct.unpack("<Q", file.read(8))[0])
