"""What is true of a function: each fact is computed when a rule asks for it, once, and kept with the function."""
