"""`python -m quickwins`."""

from __future__ import annotations

import sys

from quickwins.cli import main

if __name__ == "__main__":
    sys.exit(main())
