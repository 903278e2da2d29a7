"""A result as people read it: a table in the terminal, a page with plots."""
