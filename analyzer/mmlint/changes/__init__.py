"""What a patch does to a function: two states of it side by side, and what the one has that the other has not.

The facts of each state come from `mmlint.facts`; both are read with the same roughness, so only differences count.
"""
