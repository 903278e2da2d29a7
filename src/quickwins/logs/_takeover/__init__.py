"""The standard library's and structlog's logging, taken over while ours is on, and given back."""
