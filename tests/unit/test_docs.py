"""What the documentation derives from the code is up to date, and what it names exists."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from quickwins.core.config import load_file, resolve
from quickwins.facade import SECTIONS

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_the_example_configuration_is_every_default() -> None:
    text = (ROOT / "quickwins.example.toml").read_text()
    settings = resolve([load_file(text, "quickwins.example.toml")], SECTIONS)
    assert settings.sections == {name: model() for name, model in SECTIONS.items()}


def test_generated_files_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "generate.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_every_make_target_that_a_page_names_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in PAGES:
        named = set(re.findall(r"`make ([a-z-]+)", page.read_text())) | set(
            re.findall(r"^make ([a-z-]+)", page.read_text(), re.MULTILINE)
        )
        assert named <= targets, page
