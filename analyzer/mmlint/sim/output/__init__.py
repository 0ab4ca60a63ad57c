"""Ways to show a trace."""
