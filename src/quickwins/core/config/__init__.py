"""Configuration: layers of raw values, merged and validated as a whole, or refused as a whole.

A layer is what one source says: the environment, later an OpenFeature client, the file. The first layer that
names a key wins; a key marked `AnyLayerWins` is on when any layer turns it on (a kill). Nothing here reads a file
or keeps state: `quickwins.core.flags` does both, and calls `resolve` again for each change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quickwins.core.lazy import lazily

if TYPE_CHECKING:
    from quickwins.core.config._environment import load_environment
    from quickwins.core.config._layer import CONFIG_PATH_VARIABLE, ENV_PREFIX, Layer, load_file
    from quickwins.core.config._resolve import Settings, resolve
    from quickwins.core.config._section import AnyLayerWins, Number, Section, Whole, inherited, setting
    from quickwins.core.config._words import refusals

__all__ = [
    "CONFIG_PATH_VARIABLE",
    "ENV_PREFIX",
    "AnyLayerWins",
    "Layer",
    "Number",
    "Section",
    "Settings",
    "Whole",
    "inherited",
    "load_environment",
    "load_file",
    "refusals",
    "resolve",
    "setting",
]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "AnyLayerWins": "_section",
        "CONFIG_PATH_VARIABLE": "_layer",
        "ENV_PREFIX": "_layer",
        "Layer": "_layer",
        "Number": "_section",
        "Section": "_section",
        "Settings": "_resolve",
        "Whole": "_section",
        "inherited": "_section",
        "load_environment": "_environment",
        "load_file": "_layer",
        "refusals": "_words",
        "resolve": "_resolve",
        "setting": "_section",
    },
)
