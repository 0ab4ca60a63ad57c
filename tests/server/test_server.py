"""`mmlint server` as an editor meets it: a process, spoken to by pygls' own client."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import BAD, GOOD

pytest.importorskip("pygls", reason="the extra `lsp` is not installed")

from lsprotocol import types as lsp
from pygls.lsp.client import LanguageClient

WAIT = 30


class Editor(LanguageClient):
    """A client that keeps what the server sends."""

    def __init__(self, root: Path) -> None:
        super().__init__("editor", "1")
        self.root = root
        self.published: asyncio.Queue[lsp.PublishDiagnosticsParams] = asyncio.Queue()
        self.messages: asyncio.Queue[lsp.ShowMessageParams] = asyncio.Queue()

        @self.feature(lsp.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)  # type: ignore[untyped-decorator]
        def published(sent: lsp.PublishDiagnosticsParams) -> None:
            self.published.put_nowait(sent)

        @self.feature(lsp.WINDOW_SHOW_MESSAGE)  # type: ignore[untyped-decorator]
        def said(sent: lsp.ShowMessageParams) -> None:
            self.messages.put_nowait(sent)

    def uri(self, name: str) -> str:
        return (self.root / name).as_uri()

    def open(self, name: str, text: str) -> None:
        item = lsp.TextDocumentItem(self.uri(name), "c", 1, text)
        self.text_document_did_open(lsp.DidOpenTextDocumentParams(item))

    def change(self, name: str, text: str) -> None:
        document = lsp.VersionedTextDocumentIdentifier(2, self.uri(name))
        whole = lsp.TextDocumentContentChangeWholeDocument(text)
        self.text_document_did_change(lsp.DidChangeTextDocumentParams(document, [whole]))
        self.text_document_did_save(lsp.DidSaveTextDocumentParams(lsp.TextDocumentIdentifier(self.uri(name))))

    async def diagnostics(self) -> lsp.PublishDiagnosticsParams:
        return await asyncio.wait_for(self.published.get(), WAIT)

    async def hover(self, name: str, line: int, character: int) -> str:
        where = lsp.HoverParams(lsp.TextDocumentIdentifier(self.uri(name)), lsp.Position(line, character))
        found = await asyncio.wait_for(self.text_document_hover_async(where), WAIT)
        if found is None:
            return ""
        assert isinstance(found.contents, lsp.MarkupContent)
        return found.contents.value

    async def actions(self, name: str, found: list[lsp.Diagnostic]) -> list[Any]:
        where = lsp.CodeActionParams(
            lsp.TextDocumentIdentifier(self.uri(name)), found[0].range, lsp.CodeActionContext(found)
        )
        offered: Any = await asyncio.wait_for(self.text_document_code_action_async(where), WAIT)
        return list(offered or ())


Session = Callable[[Editor], Awaitable[None]]


def session(root: Path, work: Session) -> None:
    """Run an editor's session with a server of its own, from initialize to exit."""

    async def run() -> None:
        editor = Editor(root)
        await editor.start_io(sys.executable, "-m", "mmlint", "server")
        folder = lsp.WorkspaceFolder(root.as_uri(), root.name)
        about = lsp.InitializeParams(lsp.ClientCapabilities(), root_uri=root.as_uri(), workspace_folders=[folder])
        await asyncio.wait_for(editor.initialize_async(about), WAIT)
        editor.initialized(lsp.InitializedParams())
        try:
            await work(editor)
        finally:
            await asyncio.wait_for(editor.shutdown_async(None), WAIT)
            editor.exit(None)
            await asyncio.wait_for(editor.stop(), WAIT)  # type: ignore[no-untyped-call]

    asyncio.run(run())


def test_diagnostics_on_open_and_on_save_with_the_text_of_the_editor(tree: Path) -> None:
    wide = BAD.replace("p = kmalloc", "/* \N{GRINNING FACE} */ p = kmalloc")

    async def work(editor: Editor) -> None:
        editor.open("mm/bad.c", wide)
        sent = await editor.diagnostics()
        [found] = sent.diagnostics
        assert (found.code, found.source, found.severity) == ("PTL101", "mmlint", lsp.DiagnosticSeverity.Error)
        line = wide.split("\n")[found.range.start.line].encode("utf-16-le")
        covered = line[2 * found.range.start.character : 2 * found.range.end.character].decode("utf-16-le")
        assert covered == "kmalloc(12, GFP_KERNEL)"
        assert found.related_information is not None
        assert [step.location.range.start.line for step in found.related_information] == [3]
        assert found.related_information[0].location.uri == editor.uri("mm/bad.c")
        editor.change("mm/bad.c", GOOD)
        assert not (await editor.diagnostics()).diagnostics

    session(tree, work)


def test_hover_shows_the_rule_and_its_replay(tree: Path) -> None:
    text = BAD + "/* mmlint: ignore[REF101] nothing below */\n"

    async def work(editor: Editor) -> None:
        editor.open("mm/bad.c", text)
        await editor.diagnostics()
        page = await editor.hover("mm/bad.c", 8, 8)
        assert page.startswith("# PTL101 sleep-under-ptl: ")
        assert "## Why it matters" in page
        assert "Replay: `mmlint sim alloc-under-ptl-reclaims-into-it --schedule " in page
        last = text.count("\n") - 1
        assert (await editor.hover("mm/bad.c", last, 20)).startswith("# REF101 ")
        assert await editor.hover("mm/bad.c", 0, 3) == ""

    session(tree, work)


def test_the_action_writes_an_ignore_that_holds_once_it_has_a_reason(tree: Path) -> None:
    async def work(editor: Editor) -> None:
        editor.open("mm/bad.c", BAD)
        found = list((await editor.diagnostics()).diagnostics)
        [action] = await editor.actions("mm/bad.c", found)
        assert action.kind == lsp.CodeActionKind.QuickFix
        [edit] = action.edit.changes[editor.uri("mm/bad.c")]
        lines = BAD.split("\n")
        at = edit.range.start.line
        text = "\n".join(lines[:at]) + "\n" + edit.new_text + "\n".join(lines[at:])
        editor.change("mm/bad.c", text)
        assert sorted(str(d.code) for d in (await editor.diagnostics()).diagnostics) == ["POL103", "PTL101"]
        editor.change("mm/bad.c", text.replace("]  */", "] boot time, one CPU */"))
        assert not (await editor.diagnostics()).diagnostics

    session(tree, work)


def test_settings_of_the_workspace_hold_and_a_wrong_one_is_said(tree: Path) -> None:
    text = "severity = {PTL101 = 'info'}\ndocs-url = 'https://example.org/{name}'\n"
    (tree / "mmlint.toml").write_text(text, encoding="utf-8")

    async def work(editor: Editor) -> None:
        editor.open("mm/bad.c", BAD)
        [found] = (await editor.diagnostics()).diagnostics
        assert found.severity == lsp.DiagnosticSeverity.Information
        assert found.code_description == lsp.CodeDescription("https://example.org/sleep-under-ptl")
        (tree / "mmlint.toml").write_text("slect = []", encoding="utf-8")
        editor.change("mm/bad.c", BAD)
        said = await asyncio.wait_for(editor.messages.get(), WAIT)
        assert said.message.endswith("mmlint.toml:1: unknown key `slect`; did you mean `select`?")

    session(tree, work)


def test_closing_takes_the_diagnostics_away_and_other_files_are_left_alone(tree: Path) -> None:
    async def work(editor: Editor) -> None:
        editor.open("notes.txt", BAD)
        editor.open("mm/bad.c", BAD)
        assert (await editor.diagnostics()).uri == editor.uri("mm/bad.c")
        document = lsp.TextDocumentIdentifier(editor.uri("mm/bad.c"))
        editor.text_document_did_close(lsp.DidCloseTextDocumentParams(document))
        assert not (await editor.diagnostics()).diagnostics

    session(tree, work)


def test_without_the_extra_the_command_says_what_to_install(tree: Path) -> None:
    hidden = "import sys; sys.modules['pygls'] = sys.modules['lsprotocol'] = None; sys.argv = ['mmlint', 'server']"
    program = f"{hidden}\nfrom mmlint.__main__ import main\nmain()"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "mmlint: server: needs the extra `lsp`; install it with: pip install 'mmlint[lsp]'\n"
