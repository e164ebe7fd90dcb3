"""unmask: run masked discrete diffusion models on the device in front of you.

Load a bundle, fill a canvas of masks in a few parallel passes, and receive a `Step` after every pass. Importing this package
opens no file or device and loads no engine and no audio library.
"""

import os

# From 1.29 on, ONNX Runtime reports its use to its maker and keeps a device id on disk unless it is told not to before it is
# loaded. Every import of this package passes here, so the command, the server and the Python API are all offline.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

from unmask.bundle.manifest import Bundle, Manifest, load_bundle
from unmask.bundle.task_template import AnswerSpan, Template
from unmask.decoding.canvas import Canvas, Draft, Rows, Span
from unmask.decoding.denoiser import Denoiser, Step, TopKScores
from unmask.decoding.reference import reference_fill
from unmask.decoding.row_selection import AttentionLayout
from unmask.decoding.sampler import fill
from unmask.decoding.schedule import Reference, Schedule
from unmask.engines.engine import Engine
from unmask.engines.engine_options import EngineOptions
from unmask.errors import AudioError, BundleError, InputError, UnmaskError
from unmask.session import RunOptions, Session, Task, open_model
from unmask.speech.captioner import Caption, Captioner
from unmask.speech.endpointing import SpeechOptions
from unmask.speech.events import Event
from unmask.speech.live import LiveCaptioner, LiveOptions, captions
from unmask.speech.words import Word
from unmask.text.generator import Answer, Generator

__version__ = "0.1.0"

__all__ = [
    "Answer",
    "AnswerSpan",
    "AttentionLayout",
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
    "InputError",
    "LiveCaptioner",
    "LiveOptions",
    "Manifest",
    "Reference",
    "Rows",
    "RunOptions",
    "Schedule",
    "Session",
    "Span",
    "SpeechOptions",
    "Step",
    "Task",
    "Template",
    "TopKScores",
    "UnmaskError",
    "Word",
    "captions",
    "fill",
    "load_bundle",
    "open_model",
    "reference_fill",
]
