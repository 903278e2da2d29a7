"""The decision core: no clock, no loop, no I/O."""
