"""Calls: what stubs ask for, attempts on single connections, and calls that may have several."""
