"""What is asked of a server, and what is done there."""
