"""Facts put together for others: what callers can notice, what was looked at, what the analyzer believes."""
