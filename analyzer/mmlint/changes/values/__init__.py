"""Values, members, options and flags that a patch sets otherwise, later or not at all."""
