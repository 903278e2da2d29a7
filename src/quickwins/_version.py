"""The version that is installed. A module of its own, since finding it out reads the package's metadata."""

from importlib.metadata import version

__version__ = version("quickwins")
