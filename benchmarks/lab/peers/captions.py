"""A caption bundle beside other systems on the same recordings, in one run.

    python -m benchmarks.lab.peers.captions --audio apps/clips/librispeech-533.flac --faster-whisper WEIGHTS --output peers

Measures the latency from samples to text, word errors and memory. Every recording is transcribed by every system in random
order, each system in a process of its own. The bundle's own causal model decodes token by token too: the same backbone, engine
and encoder. Leaves a table, every text, and a report as `unmask bench` writes it. Needs the extra peers.
"""

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from cyclopts import Parameter

from benchmarks.lab.peers.peers import CAPTIONS, SCENARIO, TORCH, absent, caption_cases, torch_absent, version
from benchmarks.lab.peers.turns import CaptionTurns, Transcribed, table
from benchmarks.lab.program import run as run_program
from unmask.apps.cli.measure.bench import read_recordings
from unmask.apps.cli.options import SHIPPED, say_on_stderr
from unmask.benchmarks.report.markdown import one_table
from unmask.benchmarks.report.record import Report
from unmask.benchmarks.report.write import check_place, write_report
from unmask.benchmarks.scenarios.catalog import Recording
from unmask.benchmarks.scenarios.run import read_subject, run
from unmask.benchmarks.scenarios.runner import Plan, Say
from unmask.bundle.graph_spec import kind_of
from unmask.engines.engine_options import EngineOptions
from unmask.errors import InputError
from unmask.speech.sample_rate import SAMPLE_RATE_HZ
from unmask.training.corpus import read_corpus

NOTES = (
    "Times are from a recording's samples to its text, encoder included, with the model open, taken in the process itself.",
    "Time of ours / its time: the bundle's own decoding against the system, recording by recording; the median and its 95 % "
    "interval (from 6 transcriptions). Below 1 ours is faster.",
    "Decoding alone leaves out the encoder, which is the same for every way of the bundle. Token by token: the bundle's causal "
    "model decodes greedily with its cache, in the same engine and precision.",
    "Word errors are counted after Whisper's English normalizer. Intervals: bootstrap over recordings; of points over pairs, "
    "the same recordings of both.",
    "RSS: peak memory of the process, Python and packages included; the ways of one system share a process.",
)


@Parameter(name="*")
@dataclass(frozen=True)
class PeerOptions:
    audio: Annotated[tuple[Path, ...], Parameter(consume_multiple=True, negative="")] = ()
    """Recordings, each with its transcript in a .txt file beside it; the demo clips by default."""
    corpus: Path | None = None
    """A corpus instead of recordings: its manifest without the ending. Utterances without text are left out."""
    limit: int | None = None
    """The first utterances of the corpus only, this many."""
    rounds: int = 1
    """Times that every system transcribes every recording."""
    warmup: int = 2
    """Transcriptions of the first recording before, which do not count."""
    seed: int = 0
    """Seed of the order of turns."""
    threads: int = 1
    """Threads of every system."""
    pytorch: Annotated[tuple[Literal["eager", "compiled"], ...], Parameter(consume_multiple=True, negative="")] = ()
    """Also the bundle's own weights through PyTorch in float32. Compiling takes minutes before anything is measured."""
    pin: bool = False
    """Keep each process on as many processors as it has threads. Linux only."""
    output: Path | None = None
    """Folder for peers.md, readings.json (every text), and report.json, report.md, report.html as of `unmask bench`."""
    quiet: Annotated[bool, Parameter(negative="")] = False
    """Print no progress on stderr."""

    def __post_init__(self) -> None:
        if self.audio and self.corpus:
            raise InputError("give recordings (--audio) or a corpus (--corpus), not both")
        if self.output is not None:
            check_place(self.output)
        for name, value in (("limit", self.limit), ("threads", self.threads)):
            if value is not None and value < 1:
                raise InputError(f"{name} is {value}; at least 1 is needed")

    def plan(self) -> Plan:
        return Plan(self.rounds, 0.0, self.warmup, self.seed, self.pin)


@Parameter(name="*", group="Weights")
@dataclass(frozen=True)
class Weights:
    """Where each peer's weights are. A peer without weights or without its package is left out, and the report says why."""

    faster_whisper: Path | None = None
    """A folder with Whisper in CTranslate2's format."""
    whisper_cpp: Path | None = None
    """A ggml file of Whisper, for pywhispercpp."""
    vosk: Path | None = None
    """A folder of a Vosk model."""
    moonshine: Path | None = None
    """A folder of a Moonshine model; tiny or base by its name. It chooses its own threads; --pin limits them."""
    sherpa_onnx: Path | None = None
    """A folder with a transducer's encoder, decoder and joiner (*.onnx), and tokens.txt."""
    optimum: Path | None = None
    """A folder that `optimum-cli export onnx` made of Moonshine, with its tokenizer.json. Runs in the environment of
    `make optimum-env`."""


def main(bundle: Path = SHIPPED, /, *, options: PeerOptions = PeerOptions(), weights: Weights = Weights()) -> None:
    """Compare a bundle that captions with other systems on the same recordings.

    Parameters
    ----------
    bundle
        Folder of a bundle that captions; the shipped one by default.
    """
    say = say_on_stderr(options.quiet)
    with tempfile.TemporaryDirectory() as folder:
        recordings = list(read_transcribed(options, Path(folder)))
        found = measure(bundle, vars(weights), options.threads, recordings, options.plan(), say, options.pytorch)
    if options.output:
        write(found, options.output)
    print(to_markdown(found), end="")


def read_transcribed(options: PeerOptions, folder: Path) -> Iterator[Recording]:
    """Recordings with their text, at 16 kHz in a folder. Raises AudioError, and InputError for one without a transcript."""
    if options.corpus is None:
        found = read_recordings(options.audio, folder)
        without = [recording.name for recording in found if not (recording.said or "").strip()]
        if without:
            raise InputError(f"{without[0]}: no transcript; write it into {without[0]}.txt beside it")
        yield from found
        return
    missing = [f"{options.corpus}{end}" for end in (".jsonl", ".tar") if not Path(f"{options.corpus}{end}").is_file()]
    if missing:
        raise InputError(f"{missing[0]}: no such file; --corpus takes the manifest's path without its ending")
    utterances = [utterance for utterance in read_corpus(options.corpus) if utterance.text][: options.limit]
    if not utterances:
        raise InputError(f"{options.corpus}: no utterance has a text")
    for i, utterance in enumerate(utterances):
        np.save(stored := folder / f"{i}.npy", utterance.samples)
        yield Recording(utterance.id, str(stored), len(utterance.samples) / SAMPLE_RATE_HZ, utterance.text)


@dataclass(frozen=True)
class CaptionResults:
    report: Report
    transcribed: tuple[Transcribed, ...]
    recordings: tuple[Recording, ...]


def measure(
    bundle: Path,
    weights: Mapping[str, Path | None],
    threads: int,
    recordings: Sequence[Recording],
    plan: Plan,
    say: Say,
    pytorch: Sequence[str] = (),
) -> CaptionResults:
    """weights: by a peer's option; pytorch: further ways to run the bundle's own weights.

    Raises BundleError, and InputError for a bundle that cannot decode token by token or that PyTorch does not run.
    """
    subject = read_subject(bundle, EngineOptions(threads=threads))
    if kind_of(subject.manifest).takes != "speech":
        raise InputError(f"{bundle}: {subject.name} does not caption; give a bundle that does")
    paths = [recording.path for recording in recordings]
    cases, skipped = caption_cases(bundle, subject.name, weights, threads, paths, pytorch)
    turns = CaptionTurns([recording.said or "" for recording in recordings], [recording.seconds for recording in recordings])
    settings = {"scenarios": [SCENARIO], "peers": described(weights, pytorch), "recordings": len(recordings)}
    report = run(cases, [subject], plan, settings, say, turns.take, turns.rows)
    return CaptionResults(replace(report, skipped=skipped), tuple(turns.transcribed), tuple(recordings))


def described(weights: Mapping[str, Path | None], pytorch: Sequence[str]) -> dict[str, Any]:
    """Versions of the available peers and the names of their weights, without paths."""
    there = [peer for peer in CAPTIONS if absent(peer, weights.get(peer.option)) is None]
    named = {peer.name: {"version": version(peer), "weights": Path(str(weights[peer.option])).resolve().name} for peer in there}
    if torch := [way for way in TORCH if torch_absent(way, pytorch) is None]:
        own = f"the bundle's in float32, {' and '.join(torch)}"
        named["PyTorch"] = {"version": metadata.version("torch"), "weights": own}
    return named


def to_markdown(found: CaptionResults) -> str:
    report, audio_s = found.report, sum(recording.seconds for recording in found.recordings)
    peers = [f"{name} {own['version']} ({own['weights']})" for name, own in report.plan["peers"].items()]
    count = len(found.recordings)
    asked = f"{count} recordings, {audio_s / 60:.1f} minutes; {', '.join(peers) or 'no other system'}"
    return one_table("Peers: captions", table(found.transcribed), asked, report, NOTES)


def write(found: CaptionResults, folder: Path) -> None:
    """The folder is made if it is missing; files of an earlier run are overwritten."""
    write_report(found.report, folder)
    (folder / "peers.md").write_text(to_markdown(found), encoding="utf-8")
    names = [recording.name for recording in found.recordings]
    readings = {own.name: list(_readings(own, names)) for own in found.transcribed}
    (folder / "readings.json").write_text(json.dumps(readings, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _readings(own: Transcribed, names: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {
            "recording": names[i % len(names)],
            "text": sample.text,
            "errors": int(own.errors[i]),
            "words": int(own.words[i]),
            "seconds": round(sample.seconds, 6),
            "passes": sample.passes,
            "tokens": sample.tokens,
        }
        for i, sample in enumerate(own.samples)
    ]


if __name__ == "__main__":
    run_program(main)
