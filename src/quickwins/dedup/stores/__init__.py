"""Where it is remembered what had its effect."""
