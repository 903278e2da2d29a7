"""Stores that processes share."""
