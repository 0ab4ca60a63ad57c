"""The miniature mm: every operation is written once here and composed into kernel variants by policy values."""
