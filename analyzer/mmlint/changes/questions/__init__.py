"""Questions that a patch asks otherwise, of another value, too late, or no more."""
