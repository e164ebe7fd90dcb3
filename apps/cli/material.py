"""What `unmask quantize` and `unmask compare` ask a bundle about: recordings or prompts, from their options."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from unmask.apps.audio.files import read_recording
from unmask.bundle.manifest import Manifest
from unmask.errors import InputError
from unmask.quant.calibration.calibration_data import PROMPTS, Material
from unmask.speech.captioner import FAMILY

CLIPS = Path(__file__).resolve().parents[1] / "clips"  # an editable installation links every file


@Parameter(name="*")
@dataclass(frozen=True)
class MaterialOptions:
    """What the bundle is asked about. A .txt beside a recording says what is said in it."""

    audio: Annotated[tuple[Path, ...], Parameter(name=("--audio", "--calibrate"), consume_multiple=True, negative="")] = ()
    """Recordings for a bundle that captions; the demo clips unless given."""
    prompt: Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative="")] = PROMPTS
    """Prompts for a bundle that generates."""
    length: int | None = None
    """Positions of an answer; the task's own unless given."""
    seed: int = 0
    """Of which positions are masked again."""


def read_material(manifest: Manifest, options: MaterialOptions) -> tuple[Material, list[str | None]]:
    """The material and, where known, what is said in each recording.

    Raises AudioError for a recording that cannot be read, InputError where none is given and no demo clips are installed.
    """
    if manifest.family != FAMILY:
        return Material(prompts=options.prompt, length=options.length, seed=options.seed), []
    paths = options.audio or tuple(sorted(CLIPS.glob("*.flac")))
    if not paths:
        raise InputError(f"{manifest.name} writes captions: give recordings with --audio")
    recordings = tuple(read_recording(path) for path in paths)
    texts = [path.with_suffix(".txt") for path in paths]
    said = [text.read_text(encoding="utf-8") if text.is_file() else None for text in texts]
    return Material(recordings, seed=options.seed), said
