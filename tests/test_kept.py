"""What is kept between runs: only what is whole, of this user and of the right key comes back."""

from __future__ import annotations

from pathlib import Path

import pytest
from mmlint.kept import folder, kept, recall, remember, stamp


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MMLINT_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_value_comes_back_as_it_was() -> None:
    value = ({"mm/gup.c": ("1:2", 3, None)}, [b"\0", frozenset({"a"})])
    remember("index/one", value)
    assert recall("index/one") == value
    assert recall("index/other") is None


@pytest.mark.parametrize("harm", [b"", b"\0\0\0", b"\1\2\3\4rest", None])
def test_a_harmed_file_counts_as_none(own_folder: Path, harm: bytes | None) -> None:
    remember("one", ("a", 1))
    file = own_folder / "one"
    file.write_bytes(file.read_bytes()[:-1] if harm is None else harm)
    assert recall("one") is None


def test_where_nothing_can_be_written_nothing_is_kept(own_folder: Path) -> None:
    own_folder.write_text("a file where the folder should be")
    remember("one", 1)
    assert recall("one") is None


def test_another_key_is_worked_out_again() -> None:
    made = iter(["first", "second", "third"])
    assert [kept("what", "place", key, lambda: next(made)) for key in ("a", "a", "b", "b")] == [
        "first",
        "first",
        "second",
        "second",
    ]
    assert kept("what", "elsewhere", "b", lambda: next(made)) == "third"


def test_the_folder_is_named_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMLINT_CACHE_DIR", "/named")
    assert folder() == "/named"
    monkeypatch.delenv("MMLINT_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert folder() == "/xdg/mmlint"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/people/me")
    assert folder() == "/people/me/.cache/mmlint"


def test_a_stamp_changes_with_the_files_of_its_kind(tmp_path: Path) -> None:
    below = tmp_path / "rules" / "ptl"
    below.mkdir(parents=True)
    (below / "one.py").write_text("a")
    seen = [stamp(str(tmp_path / "rules"), suffix=".py")]
    (below / "notes.txt").write_text("not of this kind")
    assert stamp(str(tmp_path / "rules"), suffix=".py") == seen[0]
    (below / "one.py").write_text("ab")
    seen.append(stamp(str(tmp_path / "rules"), suffix=".py"))
    (below / "two.py").write_text("")
    seen.append(stamp(str(tmp_path / "rules"), suffix=".py"))
    (below / "two.py").rename(below / "three.py")
    seen.append(stamp(str(tmp_path / "rules"), suffix=".py"))
    assert len(set(seen)) == len(seen)
    with pytest.raises(OSError):
        stamp(str(tmp_path / "none"), suffix=".py")
