"""SenseVoice's encoder at full size with random weights: agreement with FunASR's own, drift in int8, and seconds.

    make funasr-env
    python -m benchmarks.lab.sensevoice.oracle

FunASR reads the same files in a process of its own: its frontend's features, and its encoder's states in float32 and in bfloat16,
as Omni-Diffusion runs it. Then the encoder with its projector is exported, in float32 and in int8, and both read ten seconds in
turns. Without FunASR's environment, only the second part is done.
"""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import onnxruntime
import torch
from cyclopts import Parameter
from numpy.typing import NDArray

from benchmarks.lab.program import run
from unmask.apps.audio.files import demo_clips, read_recording
from unmask.benchmarks.measure.machine import describe_machine
from unmask.benchmarks.report.tables import Table
from unmask.benchmarks.scenarios.checkpoints import write_checkpoint
from unmask.benchmarks.scenarios.omni import add_projector, write_sensevoice
from unmask.export.bundle_writer import WEIGHTS
from unmask.export.codecs.sensevoice import FILE, STATISTICS, UNUSED, statistics, write
from unmask.export.modules.sensevoice import SenseVoice, SenseVoiceConfig
from unmask.quant.weights.codecs import quantize_codec
from unmask.speech.encoding.encoder import QUERIES, ROLE
from unmask.speech.encoding.filterbank import filterbank
from unmask.speech.encoding.frames import positions, stacked
from unmask.speech.sample_rate import SAMPLE_RATE_HZ
from unmask.system import show_bytes

FUNASR_PYTHON = Path(__file__).absolute().parents[3] / ".cache/funasr/bin/python"  # what `make funasr-env` makes
SIDE = Path(__file__).with_name("side.py")
CONFIG = SenseVoiceConfig()
DIFFERENCE = "mean difference of a row, by norm"
Floats = NDArray[np.float32]


@Parameter(name="*")
@dataclass(frozen=True)
class Options:
    seconds: float = 10.0
    """Of the demo clips, one after the other."""
    threads: Annotated[tuple[int, ...], Parameter(consume_multiple=True, negative="")] = (1, 2)
    rounds: int = 5


def main(*, options: Options = Options()) -> None:
    sound = np.concatenate([read_recording(clip) for clip in demo_clips()])[: round(options.seconds * SAMPLE_RATE_HZ)]
    print(f"{describe_machine()}\n{len(sound) / SAMPLE_RATE_HZ:g} s of sound, random weights\n")
    with tempfile.TemporaryDirectory() as scratch:
        source = write_sensevoice(Path(scratch) / "SenseVoiceSmall", CONFIG)
        if FUNASR_PYTHON.is_file():
            found = differences(source, sound, Path(scratch))
            rows = tuple((one.ours, one.theirs, f"{one.largest:.2g}", f"{100 * one.mean:.2g} %") for one in found)
            print(Table(("ours, in float32", "FunASR's", "largest difference", DIFFERENCE), rows).to_markdown(), end="\n\n")
        print(costs(exported(source, Path(scratch)), feeds(sound), options.threads, options.rounds).to_markdown())


# ---- beside FunASR


@dataclass(frozen=True)
class Difference:
    """Between numbers of ours, in float32, and FunASR's."""

    ours: str
    theirs: str
    largest: float
    mean: float
    """Over rows, of the difference's norm in the row's."""


def differences(source: Path, sound: Floats, scratch: Path) -> list[Difference]:
    np.save(scratch / "sound.npy", sound)
    command = [FUNASR_PYTHON, "-P", SIDE, source, scratch / "sound.npy", scratch / "theirs.npz"]
    subprocess.run(command, check=True, capture_output=True)
    theirs = np.load(scratch / "theirs.npz")
    shift, scale = statistics(source / STATISTICS)
    features = (feeds(sound)["frames"] + shift) * scale
    exact, rounded = (states(source, features, table) for table in (exact_positions(len(features)), table_of(features)))
    compared = (
        ("features", features, "features"),
        ("states, exact positions", exact, "float32"),
        ("states, exact positions", exact, "bfloat16"),
        ("states, bfloat16 positions", rounded, "bfloat16"),
    )
    return [
        Difference(name, other, float(np.abs(own - theirs[other]).max()), relative(own, theirs[other]))
        for name, own, other in compared
    ]


def table_of(features: Floats) -> Floats:
    return positions(QUERIES + len(features), CONFIG.features)


def exact_positions(frames: int) -> Floats:
    half = CONFIG.features // 2
    angles = np.arange(1, QUERIES + frames + 1)[:, None] * np.exp(-np.arange(half) * np.log(10_000) / (half - 1))
    return np.concatenate([np.sin(angles), np.cos(angles)], 1).astype(np.float32)


def states(source: Path, features: Floats, table: Floats) -> Floats:
    """Our module's."""
    model = SenseVoice(CONFIG).eval()
    state = torch.load(source / FILE, weights_only=True)
    model.load_state_dict({name: value for name, value in state.items() if not name.startswith(UNUSED)})
    with torch.no_grad():
        return model(torch.from_numpy(features), torch.from_numpy(table)).numpy()


def relative(ours: Floats, theirs: Floats) -> float:
    return float((np.linalg.norm(ours - theirs, axis=1) / np.linalg.norm(theirs, axis=1)).mean())


# ---- as exported


def exported(source: Path, scratch: Path) -> dict[str, Path]:
    """Number format -> folder of the encoder with its projector."""
    model = add_projector(write_checkpoint(scratch / "model", "dream"), CONFIG)
    folders = {form: scratch / form for form in ("float32", "int8")}
    folders["float32"].mkdir()
    codec = write(source, model, folders["float32"], lambda line: None)
    shutil.copytree(folders["float32"], folders["int8"])
    quantize_codec(folders["int8"], codec)
    return folders


def feeds(sound: Floats) -> dict[str, Floats]:
    frames = stacked(filterbank(sound))
    return {"frames": frames, "positions": table_of(frames)}


def costs(folders: dict[str, Path], given: dict[str, Floats], threads: Sequence[int], rounds: int) -> Table:
    """Seconds of every form and number of threads, in turns."""
    cases = [(form, count) for form in folders for count in threads]
    sessions = {case: opened(folders[case[0]], case[1]) for case in cases}
    first = {form: sessions[form, threads[0]].run(["rows"], given)[0] for form in folders}
    taken: dict[tuple[str, int], list[tuple[float, float]]] = {case: [] for case in cases}
    for i in range(rounds):
        for case in cases if i % 2 else cases[::-1]:
            began = time.perf_counter(), time.process_time()
            sessions[case].run(["rows"], given)
            taken[case].append((time.perf_counter() - began[0], time.process_time() - began[1]))
    off = relative(first["int8"], first["float32"])
    rows = (
        (
            form,
            str(count),
            show_bytes((folders[form] / WEIGHTS).stat().st_size),
            *(f"{np.median(seconds):.2f} ({min(seconds):.2f} to {max(seconds):.2f})" for seconds in zip(*times, strict=True)),
            f"{100 * off:.2g} %" if form == "int8" else "",
        )
        for (form, count), times in taken.items()
    )
    heads = ("weights", "threads", "size", "seconds: median (least to most)", "of the processor", DIFFERENCE)
    return Table(heads, tuple(rows))


def opened(folder: Path, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(folder / f"{ROLE}.onnx", options)


if __name__ == "__main__":
    run(main)
