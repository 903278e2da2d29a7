"""What the gates of a ramp catch, and what they take for harm that is none."""
