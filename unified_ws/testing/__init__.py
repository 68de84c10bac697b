"""Fakes, recorder and replay: test a strategy, or this library, without a venue.

`FakeVenue` speaks a venue's protocol on loopback with a market of its own; `Replay` plays a
recorded session through the same door; `Recorder` makes such recordings.
"""

from .market import MarketModel
from .recorder import Recorder
from .replay import Replay
from .server import FakeVenue

__all__ = ["FakeVenue", "MarketModel", "Recorder", "Replay"]
