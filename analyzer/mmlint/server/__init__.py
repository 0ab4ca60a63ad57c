"""The language server: findings in an editor. It needs the extra `lsp`."""
