"""How ONNX Runtime's settings change a caption: the measurements behind `EngineOptions`' defaults.

    python -m benchmarks.lab.engine --recording CLIP --bundles FP32 --bundles models/caption-tiny-en [--busy 1]

Times one encoder run and one full window pass for each variant, interleaved in random order in one process, as ratios to the
first on the same bundle. `--busy N` does the same beside N processes that spin, as live captions run beside a recorder and a
browser.
"""

import multiprocessing
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cyclopts
import numpy as np
import soundfile

from unmask import Captioner, EngineOptions, load_bundle
from unmask.benchmarks.measure.harness import seconds_of_each
from unmask.benchmarks.measure.machine import describe_machine
from unmask.speech.captioner import Window
from unmask.speech.log_mel import SAMPLE_RATE_HZ

VARIANTS = {
    "2 threads": EngineOptions(threads=2),
    "2 threads, spinning": EngineOptions(threads=2, spinning=True),
    "2 threads, arena": EngineOptions(threads=2, arena=True),
    "1 thread": EngineOptions(threads=1),
    "1 thread, arena": EngineOptions(threads=1, arena=True),
}


@dataclass(frozen=True)
class EngineBenchmark:
    recording: Path
    bundles: tuple[Path, ...]
    rounds: int = 60
    busy: int = 0
    """Processes that spin beside the measurement."""
    seed: int = 0


def main(options: Annotated[EngineBenchmark, cyclopts.Parameter(name="*")]) -> None:
    samples, rate_hz = soundfile.read(options.recording, dtype="float32")
    if rate_hz != SAMPLE_RATE_HZ or samples.ndim != 1:
        raise SystemExit(f"{options.recording}: give a mono recording at {SAMPLE_RATE_HZ} Hz")
    print(describe_machine())
    print(f"{len(samples) / SAMPLE_RATE_HZ:.1f} s of audio, {options.rounds} rounds, {options.busy} busy processes\n")
    spinners = [multiprocessing.Process(target=_spin, daemon=True) for _ in range(options.busy)]
    for process in spinners:
        process.start()
    try:
        for path in options.bundles:
            calls = variants(path, samples)
            print(table(path.name, seconds_of_each(calls, options.rounds, options.seed, warmup=2)), end="\n\n")
    finally:
        for process in spinners:
            process.terminate()


def variants(path: Path, samples: np.ndarray) -> dict[str, tuple[Callable[[], object], Callable[[], object]]]:
    """Encoder and window pass of each variant, ready to call."""
    calls = {}
    for name, engine in VARIANTS.items():
        captioner = Captioner(load_bundle(path), engine).load()
        window = captioner.window(samples)
        calls[name] = (lambda c=captioner: c.window(samples), lambda w=window: _pass(w))
        if len(calls) == 1:
            calls[f"{name}, outputs preallocated"] = (calls[name][0], _bound_pass(captioner, window))
    return calls


def _pass(window: Window) -> object:
    every = np.arange(len(window.canvas.ids))
    return window.denoiser.window(window.canvas.ids, every, every, (window.canvas.spans[0].allowed,))


def _bound_pass(captioner: Captioner, window: Window) -> Callable[[], object]:
    """The same pass with every input and output bound once to memory of our own."""
    import onnxruntime

    every = np.arange(len(window.canvas.ids))
    session, feeds = (
        captioner.engine.session("window"),
        window.denoiser.feeds(window.canvas.ids, every, every, (window.canvas.spans[0].allowed,)),
    )
    binding = session.io_binding()
    values = [onnxruntime.OrtValue.ortvalue_from_numpy(array) for array in feeds.values()]
    for name, value in zip(feeds, values, strict=True):
        binding.bind_ortvalue_input(name, value)
    for output, array in zip(session.get_outputs(), session.run(None, feeds), strict=True):
        binding.bind_ortvalue_output(output.name, onnxruntime.OrtValue.ortvalue_from_numpy(array))
    return lambda: session.run_with_iobinding(binding)


def table(title: str, taken: dict[str, np.ndarray]) -> str:
    base = next(iter(taken.values()))
    lines = [f"| {title} | encoder ms | ratio (quartiles) | pass ms | ratio (quartiles) |", "|---|---|---|---|---|"]
    for name, seconds in taken.items():
        cells = []
        for j in (0, 1):
            low, middle, high = np.percentile(seconds[:, j] / base[:, j], [25, 50, 75])
            cells.append(f"{1000 * np.median(seconds[:, j]):.1f} | {middle:.2f} ({low:.2f} to {high:.2f})")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _spin() -> None:
    while True:
        pass


if __name__ == "__main__":
    cyclopts.run(main)
