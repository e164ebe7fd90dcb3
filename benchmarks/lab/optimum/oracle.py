"""Moonshine as optimum exported it beside our model of the same weights: another implementation of the whole way to the text.

    make optimum-env
    python -m benchmarks.lab.optimum.oracle FOLDER --corpus DATA/test/librispeech

FOLDER is what `optimum-cli export onnx` wrote, with its tokenizer.json. Ours is the PyTorch module that bundles are made from,
with the weights out of those graphs. Both decode greedily with a cache, in float32, recording by recording in random order.
`--also` names more folders for optimum to run, such as ORTQuantizer's, and `--bundles` what `unmask export` and `unmask quantize`
made of the same weights. Leaves a table and, with --output, every text.
"""

import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from cyclopts import Parameter

from benchmarks.lab.peers.captions import PeerOptions, read_transcribed
from benchmarks.lab.peers.peers import OPTIMUM_PYTHON, SYSTEMS
from benchmarks.lab.peers.systems import Calls, Samples
from benchmarks.lab.peers.turns import DECODING, CaptionTurns, Transcribed, table
from benchmarks.lab.program import run
from unmask.benchmarks.measure.machine import describe_machine, peak_rss_mib
from unmask.benchmarks.report.tables import Table
from unmask.benchmarks.scenarios.runner import Case, Plan, Sample
from unmask.bundle.tokenizer import read_tokenizer
from unmask.errors import InputError

SCENARIO = "oracle"


@Parameter(name="*")
@dataclass(frozen=True)
class Options:
    audio: Annotated[tuple[Path, ...], Parameter(consume_multiple=True, negative="")] = ()
    """Recordings, each with its transcript in a .txt file beside it; the demo clips by default."""
    corpus: Path | None = None
    """A corpus instead of recordings: its manifest without the ending."""
    limit: int | None = None
    """The first utterances of the corpus only, this many."""
    also: Annotated[tuple[Path, ...], Parameter(consume_multiple=True, negative="")] = ()
    """More folders that optimum runs."""
    bundles: Annotated[tuple[Path, ...], Parameter(consume_multiple=True, negative="")] = ()
    """Bundles of the same weights, each with its own decoding."""
    threads: int = 1
    seed: int = 0
    output: Path | None = None
    """A JSON file for every text."""


def main(folder: Path, /, *, options: Options = Options()) -> None:
    if not OPTIMUM_PYTHON.is_file():
        raise InputError(f"{OPTIMUM_PYTHON}: not there; make optimum-env")
    readable = PeerOptions(options.audio, options.corpus, options.limit)
    with tempfile.TemporaryDirectory() as scratch:
        recordings = list(read_transcribed(readable, Path(scratch)))
        turns = CaptionTurns([r.said or "" for r in recordings], [r.seconds for r in recordings])
        plan = Plan(rounds=1, warmup=1, seed=options.seed)
        asked = cases([folder, *options.also], options.bundles, options.threads, [r.path for r in recordings])
        turns.take(asked, plan, lambda line: None)
    print(f"{describe_machine()}\n{len(recordings)} recordings, {sum(r.seconds for r in recordings) / 60:.1f} minutes\n")
    print(with_texts(turns.transcribed).to_markdown())
    if options.output:
        texts = {own.name: [sample.text for sample in own.samples] for own in turns.transcribed}
        names = [recording.name for recording in recordings]
        options.output.write_text(json.dumps({"recordings": names, **texts}, ensure_ascii=False, indent=1), encoding="utf-8")


def cases(folders: Sequence[Path], bundles: Sequence[Path], threads: int, recordings: list[str]) -> list[Case]:
    def case(subject: str, name: str, target: str, weights: Path, call: dict[str, Any], **more: str) -> Case:
        arguments = {"weights": str(weights), "threads": threads, "recordings": recordings, **more}
        return Case(SCENARIO, subject, name, target, arguments, call, threads)

    own = case("our module", "PyTorch", f"{__spec__.name}:ours", folders[0], {})
    python = str(OPTIMUM_PYTHON)
    theirs = [case("optimum", f.name, f"{SYSTEMS}optimum", f, {}, python=python) for f in folders]
    return [own, *theirs, *(case("unmask", b.name, f"{SYSTEMS}ours", b, {"way": "default"}) for b in bundles)]


def ours(weights: str, threads: int, recordings: list[str]) -> Calls:
    """Our PyTorch module, greedy with a cache. weights: a checkpoint of Moonshine with tokenizer.json."""
    import torch

    from unmask.export.modules.moonshine import END
    from unmask.export.moonshine_weights import load_moonshine
    from unmask.speech.sample_rate import SAMPLE_RATE_HZ
    from unmask.training.drafting.prepare import TOKENS_PER_SECOND, greedy

    torch.set_num_threads(threads)
    model, tokenizer = load_moonshine(Path(weights)), read_tokenizer(Path(weights) / "tokenizer.json")

    @torch.inference_mode()
    def call(recording: int) -> dict[str, Any]:
        samples: Samples = np.load(recordings[recording])
        longest = int(TOKENS_PER_SECOND * len(samples) / SAMPLE_RATE_HZ) + 2
        began = time.perf_counter()
        states = model.encoder(torch.from_numpy(samples)[None])
        encoded = time.perf_counter()
        heard = torch.ones(1, 1, 1, states.shape[1], dtype=torch.bool)
        found, _ = greedy(model, model.decoder.cross(states), heard, longest)
        ended = time.perf_counter()
        ids = [i for i in found[0].tolist() if i != END]
        text, more = tokenizer.decode(ids).strip(), {DECODING: [ended - encoded]}
        return Sample(ended - began, tokens=len(ids) - 1, rss_mib=peak_rss_mib(), text=text, more=more).to_json()

    return call


def with_texts(transcribed: Sequence[Transcribed]) -> Table:
    """The table of captions, and of how many recordings the text is the first one's, letter for letter."""
    known, base = table(transcribed), transcribed[0]
    same = [sum(a.text == b.text for a, b in zip(own.samples, base.samples, strict=True)) for own in transcribed]
    rows = tuple((*cells, f"{n} of {len(base.samples)}") for cells, n in zip(known.rows, same, strict=True))
    return replace(known, head=(*known.head, "same text as ours"), rows=rows)


if __name__ == "__main__":
    run(main)
