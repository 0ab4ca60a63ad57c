"""Patches from many mails -> series in order, with their versions, and missing members named."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace

from mmlint.inputs.model import Patch, Series
from mmlint.inputs.subject import Subject

_ADDRESS = re.compile(r"<([^<>\s]+@[^<>\s]+)>|(\S+@\S+)")
_Group = dict[int, Patch]


def assemble(patches: Iterable[Patch], covers: Mapping[str, Subject] | None = None) -> list[Series]:
    """Group patches by thread, version and count; sort each group by n/m.

    A patch that is not n of m, or that was found in a reply, is a series of its own. Where a thread has a member twice,
    it is divided by sender. Members that were mailed without threading are grouped by sender, version and count, those
    of several senders (the authors, in mails that git wrote) only when they make one whole series. The series stand in
    the order of their first mails. A new version of some members, each sent in reply to the member that it replaces,
    takes the others from the version before, as b4 does. `covers` are the subjects of cover letters by message id: the
    version that only the cover letter names is that of its patches.
    """
    order: dict[int, _Group] = {}
    threads: defaultdict[tuple[str, int, int], list[tuple[int, Patch]]] = defaultdict(list)
    for place, patch in enumerate(_versioned(patch, covers or {}) for patch in patches):
        if patch.numbered and 1 <= patch.index <= patch.total:
            threads[_root(patch), patch.version, patch.total].append((place, patch))
        else:
            order[place] = {patch.index: patch}
    for members in threads.values():
        order.update(_divided(members))
    groups = _unthreaded([order[place] for place in sorted(order)])
    return _rerolled(groups, [_series(group) for group in groups])


def _versioned(patch: Patch, covers: Mapping[str, Subject]) -> Patch:
    cover = covers.get(patch.in_reply_to) if patch.version == 1 and patch.numbered else None
    return replace(patch, version=cover.version) if cover is not None and cover.total == patch.total else patch


def _divided(members: list[tuple[int, Patch]]) -> dict[int, _Group]:
    """The groups among the members of one thread, by the place of their first mails."""
    times = Counter(patch.index for _, patch in members)
    twice = max(times.values()) > 1
    groups: dict[int, _Group] = {}
    open_groups: dict[str, _Group] = {}
    for place, patch in members:
        sender = address(patch.sender) if twice else ""
        group = open_groups.get(sender)
        if group is None or patch.index in group:
            group = open_groups[sender] = groups[place] = {}
        group[patch.index] = patch
    return groups


def _unthreaded(groups: list[_Group]) -> list[_Group]:
    """Merge lone members of series that were mailed without threading."""
    merged: list[_Group] = []
    lone: dict[tuple[str, int, int], _Group] = {}
    for group in groups:
        (index, patch), *more = group.items()
        if more or not patch.numbered or patch.references or patch.in_reply_to:
            merged.append(group)
            continue
        key = (address(patch.sender), patch.version, patch.total)
        if key not in lone or index in lone[key]:
            lone[key] = {}
            merged.append(lone[key])
        lone[key][index] = patch
    return _of_many_authors(merged)


def _of_many_authors(groups: list[_Group]) -> list[_Group]:
    """Merge unthreaded parts by different senders that together have each member once."""
    alike: defaultdict[tuple[int, int], list[_Group]] = defaultdict(list)
    for group in groups:
        first = next(iter(group.values()))
        if first.numbered and len(group) < first.total and not first.references and not first.in_reply_to:
            alike[first.version, first.total].append(group)
    gone: set[int] = set()
    for (_, total), parts in alike.items():
        if len(parts) > 1 and sorted(index for part in parts for index in part) == list(range(1, total + 1)):
            for part in parts[1:]:
                parts[0].update(part)
                gone.add(id(part))
    return [group for group in groups if id(group) not in gone]


def _rerolled(groups: list[_Group], found: list[Series]) -> list[Series]:
    """Complete the versions of which only some members were sent."""
    by_id = {patch.message_id: at for at, group in enumerate(groups) for patch in group.values() if patch.message_id}
    for at in sorted(range(len(found)), key=lambda at: found[at].version):
        if not found[at].missing or found[at].version < 2:
            continue
        replaced = {_replaced(patch, groups, by_id) for patch in groups[at].values()}
        before = replaced.pop()
        if before is None or replaced:
            continue
        older = {patch.index: patch for patch in found[before].patches}
        taken = tuple(index for index in sorted(older) if index not in groups[at])
        note = (
            f"members {', '.join(map(str, taken))} are those of v{found[before].version}: only the others were resent"
        )
        found[at] = _series({**older, **groups[at]}, found[at].version, taken, (note,))
    return found


def _replaced(patch: Patch, groups: list[_Group], by_id: dict[str, int]) -> int | None:
    """Which group has the member of an earlier version that a patch was sent in reply to."""
    for ancestor in (patch.in_reply_to, *reversed(patch.references)):
        at = by_id.get(ancestor)
        other = groups[at].get(patch.index) if at is not None else None
        if other is not None and (other.message_id, other.total) == (ancestor, patch.total):
            return at if other.numbered and other.version < patch.version else None
    return None


def _root(patch: Patch) -> str:
    return patch.references[0] if patch.references else patch.in_reply_to or patch.message_id


def address(sender: str) -> str:
    """The mail address in a From header, in lower case; the header itself without one."""
    match = _ADDRESS.search(sender)
    return (match[1] or match[2]).lower() if match else sender


def _series(group: _Group, version: int = 0, earlier: tuple[int, ...] = (), notes: tuple[str, ...] = ()) -> Series:
    patches = tuple(group[index] for index in sorted(group))
    first = patches[0]
    if not first.numbered:
        return Series(patches, first.version, 1)
    version = version or first.version
    absent = [index for index in range(1, first.total + 1) if index not in group]
    shown = f" v{version}" if version > 1 else ""
    missing = [f"patch {index}/{first.total}{shown} is missing (series of '{first.subject}')" for index in absent[:20]]
    if len(absent) > 20:
        missing.append(f"{len(absent) - 20} more patches of '{first.subject}' are missing")
    return Series(patches, version, first.total, tuple(missing), notes, earlier)
