"""In which line of a TOML file a key stands."""

from __future__ import annotations

from pathlib import Path

import pytest
from mmlint.tomlfile import Toml, TomlError, read

TEXT = """\
# select = 1
top = 1
"quoted key" = 2
text = '''
top = 3
[no.table]
'''
words = [
  "one",   # "two"
  "two",
]
[[source]]
path = "a"
[[source]]
path = "b"  # of the second
[source.inner]
deep.key = 1
[replies . smtp]
host = "x"
"""


@pytest.fixture
def file(tmp_path: Path) -> Toml:
    (tmp_path / "x.toml").write_text(TEXT, encoding="utf-8")
    return read(str(tmp_path / "x.toml"), "test")


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (("top",), 2),
        (("quoted key",), 3),
        (("text",), 4),
        (("no", "table"), 0),
        (("words",), 8),
        (("source",), 12),
        (("source", 0, "path"), 13),
        (("source", 1), 14),
        (("source", 1, "path"), 15),
        (("source", 1, "host"), 14),
        (("source", 1, "inner", "deep", "key"), 17),
        (("replies", "smtp"), 18),
        (("replies", "smtp", "host"), 19),
        (("nothing",), 0),
    ],
)
def test_the_line_of_a_key(file: Toml, keys: tuple[str | int, ...], line: int) -> None:
    assert file.line(*keys) == line
    assert file.at(*keys) == (f"{file.path}:{line}" if line else file.path)


@pytest.mark.parametrize(
    ("word", "keys", "line"),
    [
        ("one", ("words",), 9),
        ("two", ("words",), 10),
        ("on", ("words",), 0),
        ("one", ("top",), 0),
        ("b", ("source",), 15),
    ],
)
def test_the_line_of_a_word(file: Toml, word: str, keys: tuple[str, ...], line: int) -> None:
    assert file.word(word, *keys) == (f"{file.path}:{line}" if line else "")


@pytest.mark.parametrize(("text", "line"), [("a = 1\nb = [\n", 2), ("a = 1\nb c\nd = 1\n", 2), ("\n\na = 'x\n", 3)])
def test_what_is_no_toml_has_a_line(tmp_path: Path, text: str, line: int) -> None:
    path = tmp_path / "x.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(TomlError) as caught:
        read(str(path), "test")
    assert str(caught.value).startswith(f"{path}:{line}: not valid TOML: ")
    assert "line" not in str(caught.value).removeprefix(str(path))


def test_what_cannot_be_read_says_what_it_is_for(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b"a = '\xe4'")
    with pytest.raises(TomlError, match="latin: cannot read the test: not UTF-8"):
        read(str(tmp_path / "latin"), "test")
    with pytest.raises(TomlError, match="none: cannot read the test: No such file"):
        read(str(tmp_path / "none"), "test")
