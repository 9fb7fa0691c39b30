"""The parameters that several commands share, and what they are given beside what was typed."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from aiml_music.cli.screen import Screen

Switch = Annotated[bool, Parameter(negative=(), show_default=False)]
AsJson = Annotated[bool, Parameter(name="--json", negative=(), show_default=False)]
PurposeName = Literal["song", "voice", "instrumental"]
LyricsCheckName = Literal["warn", "refuse", "off"]

OnScreen = Annotated[Screen, Parameter(parse=False)]
Load = Callable[[str], Any]
"""Imports a module by its name."""
Loading = Annotated[Load, Parameter(parse=False)]
