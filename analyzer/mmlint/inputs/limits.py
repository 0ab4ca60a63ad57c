"""Bounds on hostile input. Real list mail stays far below every one of them."""

MAX_INPUT = 1 << 30
"""Bytes of one input after decompression."""
MAX_MAIL = 32 << 20
"""Bytes of one mail; a larger one is refused by name."""
MAX_HEADER = 1 << 20
"""Bytes of one header block."""
MAX_PARTS = 200
"""MIME parts of one mail."""
MAX_DEPTH = 12
"""Nesting of MIME parts and attached mails."""
MAX_LINE_NUMBER = 1_000_000
"""Highest line number or count in a hunk header."""
MAX_FILE = 64 << 20
"""Bytes of one file of a tree."""
MAX_ERRORS = 50
"""Errors told about one mail."""
