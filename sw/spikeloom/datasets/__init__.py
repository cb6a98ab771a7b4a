"""Data sets of events, sounds and pictures, from their standard files; nothing is downloaded.

:func:`load_dataset` is the front door.  Samples of events and sounds are read when they are
asked for; pictures are arrays at once.  The grey pictures that the trainer takes are in
:mod:`spikeloom.train.datasets`.
"""

from .events import EventSamples
from .loading import DATASETS, load_dataset
from .samples import SampleSet
from .sounds import SoundSamples

__all__ = ["DATASETS", "EventSamples", "SampleSet", "SoundSamples", "load_dataset"]
