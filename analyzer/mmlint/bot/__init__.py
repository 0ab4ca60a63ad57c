"""The review bot: patches come in from mailing lists, checks and careful replies go out."""
