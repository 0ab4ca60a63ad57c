"""Patches from many mails -> series in order, with their versions, and missing members named."""

from __future__ import annotations

import re
from collections.abc import Iterable

from mmlint.inputs.model import Patch, Series

_ADDRESS = re.compile(r"<([^<>\s]+@[^<>\s]+)>|(\S+@\S+)")
_Key = tuple[str, str, int, int]


def assemble(patches: Iterable[Patch]) -> list[Series]:
    """Group patches by thread, sender, version and count; sort each group by n/m.

    A patch that is not n of m, or that was found in a reply, is a series of its own. Members that were mailed without
    threading are grouped by sender, version and count. The series stand in the order of their first mails.
    """
    groups: list[dict[int, Patch]] = []
    open_groups: dict[_Key, dict[int, Patch]] = {}
    for patch in patches:
        if not patch.numbered or not 1 <= patch.index <= patch.total:
            groups.append({patch.index: patch})
            continue
        key = _key(patch, _root(patch))
        group = open_groups.get(key)
        if group is None or patch.index in group:
            group = open_groups[key] = {}
            groups.append(group)
        group[patch.index] = patch
    return [_series(group) for group in _unthreaded(groups)]


def _unthreaded(groups: list[dict[int, Patch]]) -> list[dict[int, Patch]]:
    """Merge lone members of series that were mailed without threading."""
    merged: list[dict[int, Patch]] = []
    lone: dict[_Key, dict[int, Patch]] = {}
    for group in groups:
        (index, patch), *more = group.items()
        if more or not patch.numbered or patch.references or patch.in_reply_to:
            merged.append(group)
            continue
        key = _key(patch, "")
        if key not in lone or index in lone[key]:
            lone[key] = {}
            merged.append(lone[key])
        lone[key][index] = patch
    return merged


def _key(patch: Patch, root: str) -> _Key:
    return root, address(patch.sender), patch.version, patch.total


def _root(patch: Patch) -> str:
    return patch.references[0] if patch.references else patch.in_reply_to or patch.message_id


def address(sender: str) -> str:
    """The mail address in a From header, in lower case; the header itself without one."""
    match = _ADDRESS.search(sender)
    return (match[1] or match[2]).lower() if match else sender


def _series(group: dict[int, Patch]) -> Series:
    patches = tuple(group[index] for index in sorted(group))
    first = patches[0]
    if not first.numbered:
        return Series(patches, first.version, 1)
    absent = [index for index in range(1, first.total + 1) if index not in group]
    version = f" v{first.version}" if first.version > 1 else ""
    missing = [
        f"patch {index}/{first.total}{version} is missing (series of '{first.subject}')" for index in absent[:20]
    ]
    if len(absent) > 20:
        missing.append(f"{len(absent) - 20} more patches of '{first.subject}' are missing")
    return Series(patches, first.version, first.total, tuple(missing))
