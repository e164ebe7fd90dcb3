"""A long recording: real-time factor, where the time goes, memory over its course, and accuracy.

    python -m benchmarks.lab.recording --data DATA --bundle models/caption-tiny-en

joins the test sessions into one recording and captions it in a process of its own for each number of threads. That its subtitles
are valid is a test's matter (tests/apps/cli/test_formats.py).
"""

import multiprocessing
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import cyclopts
import numpy as np
from numpy.typing import NDArray

from unmask import Captioner, EngineOptions, load_bundle
from unmask.benchmarks.measure.machine import describe_machine, peak_rss_mib
from unmask.engines.engine import Engine
from unmask.speech.log_mel import SAMPLE_RATE_HZ

QUARTERS = 4
COLUMNS = (
    "threads",
    "RTF, median (range)",
    "encoder %",
    "passes %",
    "checks %",
    "rest %",
    "peak RSS MiB by quarter",
    "WER %",
    "words out of order",
)


@dataclass(frozen=True)
class Recording:
    data: Path
    """Folder with `test/sessions.jsonl` and `test/librispeech`."""
    bundle: Path
    threads: tuple[int, ...] = (1, 2)
    rounds: int = 3
    """Each number of threads so often, in turns."""


@dataclass(frozen=True)
class Run:
    seconds: float
    graphs_s: dict[str, float]
    rss_mib: list[float]  # peak by the end of each quarter
    text: str
    starts_s: list[float]  # of the words


class Timed(Engine):
    """Adds up what each graph takes."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.taken_s = {"context": 0.0, "window": 0.0, "verify": 0.0}

    def run(self, role: str, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        began = time.perf_counter()
        out = super().run(role, feeds)
        self.taken_s[role] += time.perf_counter() - began
        return out


def main(options: Annotated[Recording, cyclopts.Parameter(name="*")]) -> None:
    from benchmarks.lab.sessions import joined, session_utterances  # PyTorch: not for the processes that are measured

    sessions = list(session_utterances(options.data))
    samples = np.concatenate([joined(utterances, gap) for _, utterances, gap in sessions])
    text = " ".join(u.text for _, utterances, _ in sessions for u in utterances)
    audio_s = len(samples) / SAMPLE_RATE_HZ
    print(f"{describe_machine()}\n{audio_s / 60:.1f} minutes\n")
    runs: dict[int, list[Run]] = {threads: [] for threads in options.threads}
    for _ in range(options.rounds):
        for threads in options.threads:
            with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
                runs[threads].append(pool.submit(caption, options.bundle, threads, samples).result())
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
    for threads, of in runs.items():
        print(row(threads, of, audio_s, text))


def caption(bundle: Path, threads: int, samples: NDArray[np.float32]) -> Run:
    captioner = Captioner(load_bundle(bundle))
    engine = captioner.engine = Timed(captioner.bundle, EngineOptions(threads=threads))
    captioner.load()
    rss, total_s = list[float](), len(samples) / SAMPLE_RATE_HZ

    def on_step(window: Any, step: Any) -> None:
        if window.start_s + window.audio_s >= total_s * (len(rss) + 1) / QUARTERS:
            rss.append(peak_rss_mib())

    began = time.perf_counter()
    done = captioner.caption(samples, on_step=on_step)
    taken_s = time.perf_counter() - began
    return Run(taken_s, engine.taken_s, rss, done.text, [word.start_s for word in done.words])


def row(threads: int, runs: list[Run], audio_s: float, reference: str) -> str:
    from unmask.training.score import word_error_rate

    rtf = [run.seconds / audio_s for run in runs]
    shares = {role: np.median([run.graphs_s[role] / run.seconds for run in runs]) for role in runs[0].graphs_s}
    rest = 1 - sum(shares.values())
    wer = word_error_rate([reference], [runs[0].text])
    cells = (
        f"{np.median(rtf):.3f} ({min(rtf):.3f} to {max(rtf):.3f})",
        *(f"{100 * share:.0f}" for share in (*shares.values(), rest)),
        ", ".join(f"{mib:.0f}" for mib in runs[0].rss_mib),
        f"{100 * wer:.1f}",
        str(int((np.diff(runs[0].starts_s) < 0).sum())),
    )
    return f"| {threads} | {' | '.join(cells)} |"


if __name__ == "__main__":
    cyclopts.run(main)
