"""Connections: those of a pool, each from its making to its end, and the stock channel beside it."""
