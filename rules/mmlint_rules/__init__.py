"""The rules: one file each, grouped by family, named after the bad pattern they report."""
