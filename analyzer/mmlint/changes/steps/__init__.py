"""Steps of a protocol that guarded a sink, and that a patch takes away, weakens or moves."""
