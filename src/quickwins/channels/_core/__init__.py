"""What a pool of channels decides, without doing it: no event loop, no clock, no randomness of its own."""
