"""Locks and atomic contexts: which are held where, in which order, and what sleeps under them."""
