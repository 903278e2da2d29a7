"""Which process a line is of, in real processes that fork."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from quickwins.logs.timeline import Log, Query, earliest, read

pytestmark = pytest.mark.usefixtures("children_untraced")

BEFORE = """
import multiprocessing, os, sys
from quickwins.logs import Sink, configure_logging, get_logger
log = get_logger()
"""


def lines(script: str) -> list[dict[str, object]]:
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", BEFORE + script],
        check=True,
        capture_output=True,
        timeout=60,
    )
    assert not done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


FORKS = """
for worker in range(3):
    if os.fork() == 0:
        for number in range(5):
            log.info("a", pid=os.getpid())
        if os.fork() == 0:
            log.info("a", pid=os.getpid())
        else:
            os.wait()
        sys.exit()
for worker in range(3):
    os.wait()
log.info("a", pid=os.getpid())
"""


def test_each_process_of_a_fork_has_a_name_and_numbers_of_its_own() -> None:
    found = lines('configure_logging(service="feed")\nlog.info("a", pid=os.getpid())\n' + FORKS)
    host = os.uname().nodename
    seqs = defaultdict(list)
    for line in found:
        assert line["service.instance.id"] == f"{host}:{line['pid']}"
        seqs[line["pid"]].append(line["seq"])
    assert len(seqs) == 7
    assert all(numbers == [*range(1, len(numbers) + 1)] for numbers in seqs.values())


def test_a_name_that_is_given_is_taken_and_a_fork_renews_the_number_in_it() -> None:
    found = lines('configure_logging(instance="blue/{pid}")\n' + FORKS)
    assert {line["service.instance.id"] for line in found} == {f"blue/{line['pid']}" for line in found}
    assert len({line["service.instance.id"] for line in found}) == 7


@pytest.mark.parametrize("given", ["", "feed-0"])
def test_a_name_without_a_number_stays_as_it_is(given: str) -> None:
    found = lines(f"configure_logging(instance={given!r})\n" + FORKS)
    assert [line.get("service.instance.id", "") for line in found] == [given] * 19


def test_logging_that_is_turned_on_in_a_child_names_the_child() -> None:
    found = lines(
        """
with configure_logging() as pipeline:
    log.info("a", pid=os.getpid())
    pipeline.give_way()
    if os.fork() == 0:
        pipeline.start()
        log.info("a", pid=os.getpid())
        sys.exit()
    os.wait()
"""
    )
    assert [str(line["service.instance.id"]).rpartition(":")[2] for line in found] == [
        str(line["pid"]) for line in found
    ]
    assert len({line["pid"] for line in found}) == 2


def test_a_loss_in_one_of_two_workers_is_found_and_no_other_is(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", BEFORE + "configure_logging()\n" + FORKS],
        check=True,
        capture_output=True,
        timeout=60,
    )
    found = done.stdout.splitlines(keepends=True)
    of_one = next(line for line in found if json.loads(line)["seq"] == 3)
    found.remove(of_one)
    (tmp_path / "log").write_bytes(b"".join(found))
    gaps = read([Log.file(tmp_path / "log")], Query(), lambda lines: earliest(lines, limit=100)).gaps
    assert [(gap.instance, gap.seq, gap.count) for gap in gaps] == [
        (json.loads(of_one)["service.instance.id"], 3, 1)
    ]
