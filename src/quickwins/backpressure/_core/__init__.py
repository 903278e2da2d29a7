"""What decides: facts and the time in; who goes in now, and whose wait is over, out."""
