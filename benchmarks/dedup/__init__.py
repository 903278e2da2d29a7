"""What deduplication costs, one question a module."""
