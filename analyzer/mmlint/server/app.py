"""`mmlint server`, the protocol's side: a file is checked when it is opened or saved, with the text of the editor."""

from __future__ import annotations

import asyncio
from pathlib import Path

from lsprotocol import types as lsp
from pygls.lsp.server import LanguageServer
from pygls.uris import to_fs_path

from mmlint import __version__, api
from mmlint.finding import Report
from mmlint.output import Context
from mmlint.output.page import page, policy_page
from mmlint.patches import SOURCES
from mmlint.policy import codes, discovery
from mmlint.policy.apply import check_selectors
from mmlint.rule import RuleError, find
from mmlint.server import translate
from mmlint.settings import SettingsError


class Server(LanguageServer):
    """What is known of the open files: the diagnostics last sent for each, and how often each was asked for."""

    def __init__(self) -> None:
        super().__init__("mmlint", __version__)
        self.shown: dict[str, list[lsp.Diagnostic]] = {}
        self.asked: dict[str, int] = {}
        self.one_at_a_time = asyncio.Lock()

    async def check(self, uri: str) -> None:
        """Check a file and send its diagnostics; a later request for the same file makes this one's result void."""
        document = self.workspace.get_text_document(uri)
        file = Path(document.path)
        if file.suffix not in SOURCES:
            return
        self.asked[uri] = turn = self.asked.get(uri, 0) + 1
        async with self.one_at_a_time:
            if self.asked.get(uri) != turn:
                return
            try:
                report, context = await asyncio.to_thread(_check, document.source, file, self.folder(file))
            except (SettingsError, RuleError) as error:
                self.window_show_message(lsp.ShowMessageParams(lsp.MessageType.Error, f"mmlint: {error}"))
                return
        if self.asked.get(uri) == turn:
            for problem in report.errors:
                self.window_log_message(
                    lsp.LogMessageParams(lsp.MessageType.Warning, f"{problem.path}: {problem.message}")
                )
            self.show(uri, translate.diagnostics(report, file, document.position_codec.client_num_units, context))

    def folder(self, file: Path) -> Path:
        """The workspace folder a file is in, where the search for its settings starts; else its own folder."""
        roots = [Path(path) for folder in self.workspace.folders if (path := to_fs_path(folder)) is not None]
        if self.workspace.root_path:
            roots.append(Path(self.workspace.root_path))
        return max((r for r in roots if file.is_relative_to(r)), key=lambda r: len(r.parts), default=file.parent)

    def show(self, uri: str, found: list[lsp.Diagnostic]) -> None:
        """Send the diagnostics of a file, and remember them."""
        self.shown[uri] = found
        self.text_document_publish_diagnostics(lsp.PublishDiagnosticsParams(uri, found))

    def forget(self, uri: str) -> None:
        """A file was closed."""
        self.asked.pop(uri, None)
        self.show(uri, [])
        del self.shown[uri]

    def at(self, uri: str, position: lsp.Position) -> lsp.Diagnostic | None:
        """The diagnostic at a position, the shortest of several."""
        around = [d for d in self.shown.get(uri, ()) if _covers(d.range, position)]
        return min(around, key=lambda d: d.range.end.character - d.range.start.character, default=None)


def _check(text: str, file: Path, folder: Path) -> tuple[Report, Context]:
    settings = discovery.load({}, cwd=folder)
    check_selectors(settings)
    report = api.check_text(text.encode("utf-8", "surrogateescape"), str(file), settings)
    return report, Context(docs_url=settings.docs_url)


def _covers(span: lsp.Range, position: lsp.Position) -> bool:
    return span.start <= position <= span.end


def _explain(code: str) -> str:
    rule, policy = find(code), codes.find(code)
    return page(rule) if rule is not None else policy_page(policy) if policy is not None else ""


def make() -> Server:
    """A server with its features, not yet connected."""
    server = Server()

    @server.feature(lsp.TEXT_DOCUMENT_DID_OPEN)
    async def opened(params: lsp.DidOpenTextDocumentParams) -> None:
        await server.check(params.text_document.uri)

    @server.feature(lsp.TEXT_DOCUMENT_DID_SAVE)
    async def saved(params: lsp.DidSaveTextDocumentParams) -> None:
        await server.check(params.text_document.uri)

    @server.feature(lsp.TEXT_DOCUMENT_DID_CLOSE)
    def closed(params: lsp.DidCloseTextDocumentParams) -> None:
        server.forget(params.text_document.uri)

    @server.feature(lsp.TEXT_DOCUMENT_HOVER)
    def hover(params: lsp.HoverParams) -> lsp.Hover | None:
        return _hover(server, params.text_document.uri, params.position)

    @server.feature(
        lsp.TEXT_DOCUMENT_CODE_ACTION, lsp.CodeActionOptions(code_action_kinds=[lsp.CodeActionKind.QuickFix])
    )
    def actions(params: lsp.CodeActionParams) -> list[lsp.CodeAction]:
        return _actions(server, params)

    return server


def _hover(server: Server, uri: str, position: lsp.Position) -> lsp.Hover | None:
    found = server.at(uri, position)
    if found is not None:
        replay = (found.data or {}).get("replay")
        text = _explain(str(found.code)) + (f"\nReplay: `{replay}`\n" if replay else "")
        return lsp.Hover(lsp.MarkupContent(lsp.MarkupKind.Markdown, text), found.range)
    lines = server.workspace.get_text_document(uri).source.split("\n")
    line = lines[position.line] if position.line < len(lines) else ""
    code = translate.code_at(line, position.character)
    text = _explain(code) if code is not None else ""
    return lsp.Hover(lsp.MarkupContent(lsp.MarkupKind.Markdown, text)) if text else None


def _actions(server: Server, params: lsp.CodeActionParams) -> list[lsp.CodeAction]:
    uri = params.text_document.uri
    lines = server.workspace.get_text_document(uri).source.split("\n")
    found = []
    for diagnostic in params.context.diagnostics:
        if diagnostic.source != translate.SOURCE or find(str(diagnostic.code)) is None:
            continue
        edit = translate.ignore_edit(lines, diagnostic)
        if edit is not None:
            found.append(
                lsp.CodeAction(
                    f"Ignore {diagnostic.code} here (write the reason into the comment)",
                    kind=lsp.CodeActionKind.QuickFix,
                    diagnostics=[diagnostic],
                    edit=lsp.WorkspaceEdit(changes={uri: [edit]}),
                )
            )
    return found
