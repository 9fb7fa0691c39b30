"""The clock that tests move, under its old name; it lives in `aiml_music.testing`."""

from aiml_music.testing import FakeClock

__all__ = ["FakeClock"]
