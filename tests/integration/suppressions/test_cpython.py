"""CPython's own tests of warnings, beside the bridge: on, off, and uninstalled."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest

pytestmark = pytest.mark.usefixtures("children_untraced")

RUN = """
import logging, sys, unittest, warnings
from types import SimpleNamespace
from prometheus_client import CollectorRegistry
from quickwins.suppressions import bridge
from test import test_warnings

logging.getLogger("quickwins").addHandler(logging.NullHandler())
logging.getLogger("quickwins").propagate = False
state = sys.argv[1]
flag = SimpleNamespace(state=SimpleNamespace(on=state == "on"))
bridge.install(flag=flag, registry=CollectorRegistry())
if state == "uninstalled":
    bridge.uninstall()
elif state == "uninstalled inside a block":
    with warnings.catch_warnings():
        bridge.uninstall()
suite = unittest.TestSuite()
suite.addTests(unittest.defaultTestLoader.loadTestsFromModule(test_warnings))
try:
    from unittest.test import test_case
except ImportError:
    from test.test_unittest import test_case
suite.addTests(unittest.defaultTestLoader.loadTestsFromModule(test_case))
result = unittest.TextTestRunner(verbosity=0).run(suite)
for failed, why in (*result.failures, *result.errors):
    print(failed, why)
print("ran", result.testsRun)
sys.exit(not result.wasSuccessful())
"""


@pytest.mark.skipif(
    importlib.util.find_spec("test.test_warnings") is None, reason="Python's tests are not here"
)
@pytest.mark.parametrize("state", ["on", "off", "uninstalled", "uninstalled inside a block"])
def test_pythons_own_tests_of_warnings_pass(state: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", RUN, state], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(done.stdout.split()[-1]) > 150
