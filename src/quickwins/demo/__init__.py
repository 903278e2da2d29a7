"""A small social feed under more load than it can serve, before and after a live flag protects its pools.

    result = run_demo(DemoOptions(rows=2_000), print)
    print(result.phase("backpressure").settled.goodput_of_capacity)

`python -m quickwins.demo` or `quickwins demo` starts PostgreSQL, three feed backends and a GraphQL gateway as real
processes, measures what they can do, offers three times as much, flips the flag in the middle, and writes what
happened to a page. Everything is stopped and removed at the end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quickwins.core.lazy import lazily

if TYPE_CHECKING:
    from quickwins.demo.options import DemoOptions
    from quickwins.demo.report.page import write_page
    from quickwins.demo.report.table import render_table
    from quickwins.demo.result import DemoResult
    from quickwins.demo.run import run_demo

__all__ = ["DemoOptions", "DemoResult", "render_table", "run_demo", "write_page"]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "DemoOptions": "options",
        "DemoResult": "result",
        "render_table": "report.table",
        "run_demo": "run",
        "write_page": "report.page",
    },
)
