"""What this service says that it does. Knows bundles and the records of the Wyoming protocol."""

from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

from wyoming.info import AsrModel, AsrProgram, Attribution, HandleModel, HandleProgram, Info, TtsProgram, TtsVoice

from unmask.bundle.manifest import Manifest

OURS = Attribution("unmask", "")
LANGUAGES = ["en"]
NAME = "unmask"


def describe(captions: Manifest, generator: Manifest | None, speaks: bool, answers: bool, voices: Iterable[str] = ()) -> Info:
    """generator: of the bundle that speaks or answers, if there is one that does. voices: that it speaks in besides its own."""
    about: dict[str, Any] = {"attribution": OURS, "installed": True, "version": version("unmask")}
    models = [AsrModel(captions.name, description="English speech to text", languages=LANGUAGES, **about)]
    info = Info(
        asr=[
            AsrProgram(
                NAME,
                description="Masked text, drafted in one pass and checked",
                models=models,
                supports_transcript_streaming=True,
                **about,
            )
        ]
    )
    if generator is not None and speaks:
        languages = list(generator.languages) or LANGUAGES
        known = [TtsVoice(name, description="Text to speech", languages=languages, **about) for name in (generator.name, *voices)]
        info.tts = [TtsProgram(NAME, description="Speech codes, unmasked", voices=known, **about)]
    if generator is not None and answers:
        handlers = [HandleModel(generator.name, description="Answers a text", languages=LANGUAGES, **about)]
        info.handle = [HandleProgram(NAME, description="Text, unmasked", models=handlers, **about)]
    return info
