"""unmask: run masked discrete diffusion models on the device in front of you.

A bundle is loaded, a canvas of masks is filled in a few parallel passes, and every pass yields a `Step`. Importing this package
opens nothing and loads neither a graph nor an audio library.
"""

from unmask.bundle import Bundle, Manifest, load_bundle
from unmask.canvas import Canvas, Draft, Span
from unmask.captioner import Caption, Captioner, Word
from unmask.engine import Engine, EngineOptions
from unmask.errors import AudioError, BundleError, InputError, UnmaskError
from unmask.events import Event
from unmask.live import LiveCaptioner, LiveOptions, captions
from unmask.sampler import Denoiser, Numbers, Schedule, Step, fill
from unmask.speech import SpeechOptions

__version__ = "0.1.0"

__all__ = [
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
    "InputError",
    "LiveCaptioner",
    "LiveOptions",
    "Manifest",
    "Numbers",
    "Schedule",
    "Span",
    "SpeechOptions",
    "Step",
    "UnmaskError",
    "Word",
    "captions",
    "fill",
    "load_bundle",
]
