"""The command line: `quickwins init | demo | flags | rollout | suppressions | logs | indexes | doctor`, also as `python -m quickwins`.

Thin: commands parse, call the library and print. Install it with `pip install 'quickwins[cli]'`.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module

from quickwins.cli.exit_codes import ExitCode
from quickwins.core.errors import MissingExtraError, needs_extra
from quickwins.core.metrics.multiprocess import VARIABLES

__all__ = ["ExitCode", "main"]


def main() -> int:
    """Run the command that `sys.argv` asks for; the exit code is an `ExitCode`."""
    # A command is not one of the service's processes: its series have no place in their shared folder, and
    # prometheus_client looks at this when it is first imported.
    for name in VARIABLES:
        os.environ.pop(name, None)
    try:
        with needs_extra("cli"):
            # All are looked for here, so that no command meets a gap later.
            for module in ("typer", "rich", "tomlkit"):
                import_module(module)
        from quickwins.cli.app import run
    except MissingExtraError as error:
        print(f"quickwins: the command line needs the extra 'cli': {error}", file=sys.stderr)
        return ExitCode.USAGE
    except KeyboardInterrupt:  # a busy machine reads modules for seconds
        return ExitCode.INTERRUPTED
    return run(sys.argv[1:])
