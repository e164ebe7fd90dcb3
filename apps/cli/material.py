"""What commands ask a bundle about: recordings or prompts, from their options."""

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
    """What the bundle is asked about. A .txt file beside a recording is its transcript."""

    audio: Annotated[tuple[Path, ...], Parameter(name=("--audio", "--calibrate"), consume_multiple=True, negative="")] = ()
    """Recordings for a bundle that captions; the demo clips by default."""
    prompt: Annotated[tuple[str, ...], Parameter(consume_multiple=True, negative="")] = PROMPTS
    """Prompts for a bundle that generates."""
    length: int | None = None
    """Positions of an answer; the task's own number by default."""
    seed: int = 0
    """Seed of the positions that are masked again."""


def read_material(manifest: Manifest, options: MaterialOptions) -> tuple[Material, list[str | None]]:
    """The material, and the transcript of each recording where it is known.

    Raises AudioError for a recording that cannot be read, InputError when none is given and no demo clips are installed.
    """
    if manifest.family != FAMILY:
        return Material(prompts=options.prompt, length=options.length, seed=options.seed), []
    paths = options.audio or demo_clips()
    if not paths:
        raise InputError(f"{manifest.name} writes captions: give recordings with --audio")
    recordings = tuple(read_recording(path) for path in paths)
    return Material(recordings, seed=options.seed), [transcript(path) for path in paths]


def demo_clips() -> tuple[Path, ...]:
    return tuple(sorted(CLIPS.glob("*.flac")))


def transcript(recording: Path) -> str | None:
    """What the .txt file beside a recording says; None when there is no such file."""
    path = recording.with_suffix(".txt")
    return path.read_text(encoding="utf-8") if path.is_file() else None
