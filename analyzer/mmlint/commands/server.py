"""`mmlint server`: findings in an editor."""

from __future__ import annotations

from mmlint.commands.run import fail


def server() -> None:
    """Serve an editor: the language server protocol on stdin and stdout. Needs `pip install 'mmlint[lsp]'`."""
    try:
        from mmlint.server.app import make
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in ("pygls", "lsprotocol"):
            raise
        fail("server: needs the extra `lsp`; install it with: pip install 'mmlint[lsp]'")
    make().start_io()
