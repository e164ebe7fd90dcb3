"""`unmask bench peers captions`: a caption bundle beside other systems on the same recordings, in one run."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from cyclopts import App, Parameter

from unmask.apps.cli.measuring import check_folder, require, say_on_stderr
from unmask.apps.cli.options import SHIPPED
from unmask.apps.cli.peers_text import text
from unmask.benchmarks.scenarios.catalog import Recording
from unmask.benchmarks.scenarios.runner import Plan
from unmask.errors import InputError
from unmask.speech.log_mel import SAMPLE_RATE_HZ


@Parameter(name="*")
@dataclass(frozen=True)
class PeerOptions:
    """Options of `unmask bench peers captions`."""

    audio: Annotated[tuple[Path, ...], Parameter(consume_multiple=True, negative="")] = ()
    """Recordings, each with a .txt beside it that says what is said; the demo clips unless given."""
    corpus: Path | None = None
    """Instead of recordings: a corpus, its manifest without the ending. Utterances without text are left out."""
    limit: int | None = None
    """Only so many of the corpus's utterances."""
    rounds: int = 1
    """Times that every system reads every recording."""
    warmup: int = 2
    """Readings of the first recording before, which do not count."""
    seed: int = 0
    """Of the order of turns."""
    threads: int = 1
    """Of every system."""
    pytorch: Annotated[tuple[Literal["eager", "compiled"], ...], Parameter(consume_multiple=True, negative="")] = ()
    """Also the bundle's own weights through PyTorch in float32. Compiling takes minutes before anything is measured."""
    pin: bool = False
    """Keep each process on as many processors as it has threads. Linux only."""
    output: Path | None = None
    """Folder for peers.md, readings.json (every text), and report.json, report.md, report.html as of `unmask bench`."""
    quiet: Annotated[bool, Parameter(negative="")] = False
    """Say nothing on stderr while it runs."""

    def __post_init__(self) -> None:
        if self.audio and self.corpus:
            raise InputError("give recordings (--audio) or a corpus (--corpus), not both")
        check_folder(self.output)
        for name, value in (("limit", self.limit), ("threads", self.threads)):
            if value is not None and value < 1:
                raise InputError(f"{name} is {value}; at least 1 is needed")

    def plan(self) -> Plan:
        return Plan(self.rounds, 0.0, self.warmup, self.seed, self.pin)


@Parameter(name="*", group="Weights")
@dataclass(frozen=True)
class Weights:
    """Where each peer's weights are. A peer without them or without its package is left out, and the report says why."""

    faster_whisper: Path | None = None
    """A folder with Whisper in CTranslate2's form."""
    whisper_cpp: Path | None = None
    """A ggml file of Whisper, for pywhispercpp."""
    vosk: Path | None = None
    """A folder of a Vosk model."""
    moonshine: Path | None = None
    """A folder of a Moonshine model; tiny or base by its name. Its threads are its own: --pin holds them."""
    sherpa_onnx: Path | None = None
    """A folder with a transducer's encoder, decoder and joiner (*.onnx), and tokens.txt."""


def captions(
    bundle: Path = SHIPPED,
    /,
    *,
    options: PeerOptions = PeerOptions(),
    weights: Weights = Weights(),
) -> None:
    """Latency from samples to text, word errors and memory of every system on the same recordings.

    Every recording is read by every system in a random order, each system in a process of its own. The bundle's own verifier
    decodes token by token too: the same backbone, engine and encoder.

    Parameters
    ----------
    bundle
        Folder of a bundle that captions; the shipped one unless given.
    """
    require("matplotlib", "onnx", "jiwer", "whisper_normalizer")
    from benchmarks.lab.peers.report import measure, to_markdown, write

    say = say_on_stderr(options.quiet)
    with tempfile.TemporaryDirectory() as folder:
        recordings = list(read_said(options, Path(folder)))
        found = measure(bundle, vars(weights), options.threads, recordings, options.plan(), say, options.pytorch)
    if options.output:
        write(found, options.output)
    print(to_markdown(found), end="")


def read_said(options: PeerOptions, folder: Path) -> Iterator[Recording]:
    """Recordings with their text, at 16 kHz in a folder. Raises AudioError, and InputError where none says what is said."""
    from unmask.apps.cli.bench import read_recordings

    if options.corpus is None:
        found = read_recordings(options.audio, folder)
        silent = [recording.name for recording in found if not (recording.said or "").strip()]
        if silent:
            raise InputError(f"{silent[0]}: nothing says what is said in it; write that into {silent[0]}.txt beside it")
        yield from found
        return
    from unmask.training.corpus import read_corpus

    missing = [f"{options.corpus}{end}" for end in (".jsonl", ".tar") if not Path(f"{options.corpus}{end}").is_file()]
    if missing:
        raise InputError(f"{missing[0]}: no such file; --corpus takes the manifest's path without its ending")
    utterances = [utterance for utterance in read_corpus(options.corpus) if utterance.text][: options.limit]
    if not utterances:
        raise InputError(f"{options.corpus}: no utterance has a text")
    for i, utterance in enumerate(utterances):
        np.save(stored := folder / f"{i}.npy", utterance.samples)
        yield Recording(utterance.id, str(stored), len(utterance.samples) / SAMPLE_RATE_HZ, utterance.text)


def peers_app() -> App:
    """`unmask bench peers` and its commands."""
    app = App(
        name="peers", help="Other systems beside ours in the same run. Those that are not there are left out, with the reason."
    )
    app.command(captions)
    app.command(text)
    return app
