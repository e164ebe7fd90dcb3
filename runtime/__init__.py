"""unmask: run masked discrete diffusion models on the device in front of you.

Load a bundle, fill a canvas of masks in a few parallel passes, and receive a `Step` after every pass. Importing this package
opens no file or device and loads no engine and no audio library.
"""

import importlib
import os

# Since 1.29, ONNX Runtime sends telemetry to its vendor and keeps a device id on disk, unless this is set before it is loaded.
# Every import of this package runs this line, so the command, the server and the Python API are all offline.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

TYPE_CHECKING = False  # without `typing`, which takes longer to import than all the rest here
if TYPE_CHECKING:  # each name is imported on first use, see `__getattr__`
    from unmask.bundle.manifest import Bundle, Manifest, load_bundle
    from unmask.bundle.task_template import AnswerSpan, Template
    from unmask.codecs import Kept
    from unmask.decoding.canvas import Canvas, Span
    from unmask.decoding.denoiser import Denoiser, Step, TopKScores
    from unmask.decoding.draft import Draft
    from unmask.decoding.input_rows import Rows
    from unmask.decoding.reference import reference_fill
    from unmask.decoding.row_selection import AttentionLayout
    from unmask.decoding.sampler import fill
    from unmask.decoding.schedule import Reference, Schedule
    from unmask.engines.engine import Engine
    from unmask.engines.engine_options import EngineOptions
    from unmask.errors import AudioError, BundleError, InputError, NumberError, UnmaskError
    from unmask.session import RunOptions, Session, Task, open_model
    from unmask.speech.captioner import Caption, Captioner
    from unmask.speech.endpointing import SpeechOptions
    from unmask.speech.events import Event
    from unmask.speech.live import LiveCaptioner, LiveOptions, captions
    from unmask.speech.words import Phrase, Word
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
    "Kept",
    "LiveCaptioner",
    "LiveOptions",
    "Manifest",
    "NumberError",
    "Phrase",
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

_HOMES = {
    "unmask.bundle.manifest": ("Bundle", "Manifest", "load_bundle"),
    "unmask.bundle.task_template": ("AnswerSpan", "Template"),
    "unmask.codecs": ("Kept",),
    "unmask.decoding.canvas": ("Canvas", "Span"),
    "unmask.decoding.draft": ("Draft",),
    "unmask.decoding.input_rows": ("Rows",),
    "unmask.decoding.denoiser": ("Denoiser", "Step", "TopKScores"),
    "unmask.decoding.reference": ("reference_fill",),
    "unmask.decoding.row_selection": ("AttentionLayout",),
    "unmask.decoding.sampler": ("fill",),
    "unmask.decoding.schedule": ("Reference", "Schedule"),
    "unmask.engines.engine": ("Engine",),
    "unmask.engines.engine_options": ("EngineOptions",),
    "unmask.errors": ("AudioError", "BundleError", "InputError", "NumberError", "UnmaskError"),
    "unmask.session": ("RunOptions", "Session", "Task", "open_model"),
    "unmask.speech.captioner": ("Caption", "Captioner"),
    "unmask.speech.endpointing": ("SpeechOptions",),
    "unmask.speech.events": ("Event",),
    "unmask.speech.live": ("LiveCaptioner", "LiveOptions", "captions"),
    "unmask.speech.words": ("Phrase", "Word"),
    "unmask.text.generator": ("Answer", "Generator"),
}
"""Module -> its public names. They are imported on first use, so `unmask --version` loads none of these modules."""


def __getattr__(name: str) -> object:
    for module, names in _HOMES.items():
        if name in names:
            value: object = getattr(importlib.import_module(module), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module 'unmask' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
