"""What is decided, from facts alone: nothing here asks a server or a clock."""
