"""Where ramps are kept."""
