"""What every room stands on: configuration, flags, metrics, errors, events, clock, digest and audit."""
