"""What the cache decides, without I/O: plans, keys, fences, and what stays in memory."""
