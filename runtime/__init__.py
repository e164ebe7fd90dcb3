"""unmask: run masked discrete diffusion models on the device in front of you.

A bundle is loaded, a canvas of masks is filled in a few parallel passes, and every pass yields a `Step`. Importing this package
opens nothing and loads neither a graph nor an audio library.
"""

from unmask.bundle import Bundle, Manifest, load_bundle
from unmask.canvas import Canvas, Draft, Span
from unmask.captioner import Caption, Captioner, Word
from unmask.engine import Engine
from unmask.errors import AudioError, BundleError, InputError, UnmaskError
from unmask.events import Event
from unmask.generate import Answer, Generator
from unmask.live import LiveCaptioner, LiveOptions, captions
from unmask.options import EngineOptions
from unmask.reference import Reference, reference_fill
from unmask.sampler import Denoiser, Numbers, Step, fill
from unmask.schedule import Schedule
from unmask.speech import SpeechOptions
from unmask.template import Piece, Template
from unmask.windows import Geometry

__version__ = "0.1.0"

__all__ = [
    "Answer",
    "AudioError",
    "Bundle",
    "BundleError",
    "Canvas",
    "Caption",
    "Captioner",
    "Denoiser",
    "Draft",
    "Engine",
    "EngineOptions",
    "Event",
    "Generator",
    "Geometry",
    "InputError",
    "LiveCaptioner",
    "LiveOptions",
    "Manifest",
    "Numbers",
    "Piece",
    "Reference",
    "Schedule",
    "Span",
    "SpeechOptions",
    "Step",
    "Template",
    "UnmaskError",
    "Word",
    "captions",
    "fill",
    "load_bundle",
    "reference_fill",
]
