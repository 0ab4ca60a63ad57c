"""mmlint: static analysis of Linux memory-management patches, with an executable proof behind every finding."""

__version__ = "0.1.0"
