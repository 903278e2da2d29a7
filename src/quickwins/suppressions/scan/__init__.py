"""What is in one file: its comments, its statements, its settings; all of it pure, from text to findings."""
