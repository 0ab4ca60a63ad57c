"""Pages of user memory that are pinned or grabbed: how, for how long, and what is done with them."""
