"""What decides, without a broker, a database, a clock or a log."""
