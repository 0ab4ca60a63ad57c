"""Primitives in whose place a patch puts weaker ones."""
