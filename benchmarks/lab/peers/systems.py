"""The measured side: a system opened in a process of its own, which transcribes one recording after another.

A target takes weights, threads and recordings as .npy files, and returns a function of a recording's number and of further
settings. Packages are imported on use, so that a process holds only its own system. Knows no report.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unmask.benchmarks.measure.machine import peak_rss_mib
from unmask.benchmarks.scenarios.runner import Sample

Samples = NDArray[np.float32]
Read = Callable[..., tuple[str, int]]
Calls = Callable[..., dict[str, Any]]


def reader(read: Read, recordings: list[str]) -> Calls:
    """read: a function of samples at 16 kHz and settings to their text and its tokens, 0 if the system does not say."""

    def call(recording: int, **settings: Any) -> dict[str, Any]:
        samples: Samples = np.load(recordings[recording])
        began = time.perf_counter()
        text, tokens = read(samples, **settings)
        taken = time.perf_counter() - began
        return Sample(taken, tokens=tokens, rss_mib=peak_rss_mib(), text=text.strip()).to_json()

    return call


def ours(weights: str, threads: int, recordings: list[str]) -> Calls:
    """A caption bundle; `way` is its own decoding, its draft alone, or token by token."""
    from pathlib import Path

    from unmask import Captioner, EngineOptions, load_bundle

    return captioner_calls(Captioner(load_bundle(Path(weights)), EngineOptions(threads=threads)).load(), recordings)


def captioner_calls(captioner: Any, recordings: list[str]) -> Calls:
    """Times start with the samples; `decoding` is what follows the encoder, which is the same for every way."""
    from dataclasses import replace

    from benchmarks.lab.token_by_token import token_by_token
    from unmask.speech.captioner import TASK
    from unmask.speech.sample_rate import SAMPLE_RATE_HZ

    own = captioner.bundle.schedule(TASK)
    schedules = {"default": own, "draft": replace(own, verify=0)}

    def call(recording: int, way: str) -> dict[str, Any]:
        samples: Samples = np.load(recordings[recording])
        began = time.perf_counter()
        windows = list(captioner.segments(samples))
        encoded = time.perf_counter()
        if way in schedules:
            done = captioner.read(windows, len(samples) / SAMPLE_RATE_HZ, schedules[way])
            text, passes, rows, tokens = done.text, done.passes, done.rows, done.tokens
        else:
            text, tokens = token_by_token(captioner, windows)
            passes = rows = tokens + len(windows)
        ended = time.perf_counter()
        more = {"decoding": [ended - encoded]}
        return Sample(ended - began, passes, rows, tokens, rss_mib=peak_rss_mib(), text=text, more=more).to_json()

    return call


def faster_whisper(weights: str, threads: int, recordings: list[str]) -> Calls:
    """Whisper in int8 through CTranslate2. weights: a folder in CTranslate2's format."""
    from faster_whisper import WhisperModel

    model = WhisperModel(weights, device="cpu", compute_type="int8", cpu_threads=threads, num_workers=1)

    def read(samples: Samples, **settings: Any) -> tuple[str, int]:
        segments = list(model.transcribe(samples, language="en", **settings)[0])  # decoded as it is iterated
        return "".join(segment.text for segment in segments), sum(len(segment.tokens) for segment in segments)

    return reader(read, recordings)


def whisper_cpp(weights: str, threads: int, recordings: list[str]) -> Calls:
    """whisper.cpp, greedy. weights: a ggml file."""
    from pywhispercpp.model import Model

    from unmask.errors import InputError

    with open(weights, "rb") as file:
        if file.read(4) != b"lmgg":  # GGML_FILE_MAGIC; with another file the package crashes when it transcribes
            raise InputError(f"{weights}: not a ggml file; give one of Whisper for whisper.cpp")
    model = Model(weights, redirect_whispercpp_logs_to=None, n_threads=threads, language="en", print_progress=False)
    return reader(lambda samples: (" ".join(segment.text for segment in model.transcribe(samples)), 0), recordings)


def vosk(weights: str, threads: int, recordings: list[str]) -> Calls:
    """Kaldi's decoder, which has one thread. weights: a folder of a Vosk model."""
    import json

    from vosk import KaldiRecognizer, Model, SetLogLevel

    from unmask.speech.sample_rate import SAMPLE_RATE_HZ

    SetLogLevel(-1)
    model = Model(weights)

    def read(samples: Samples) -> tuple[str, int]:
        recognizer = KaldiRecognizer(model, SAMPLE_RATE_HZ)
        texts = []
        for part in np.array_split((np.clip(samples, -1, 1) * 32767).astype("<i2"), 1 + len(samples) // SAMPLE_RATE_HZ):
            if recognizer.AcceptWaveform(part.tobytes()):  # an utterance ended; its text is complete only now
                texts.append(json.loads(recognizer.Result())["text"])
        return " ".join([*texts, json.loads(recognizer.FinalResult())["text"]]), 0

    return reader(read, recordings)


def moonshine(weights: str, threads: int, recordings: list[str]) -> Calls:
    """Moonshine's own runtime; it chooses its threads. weights: a folder, tiny or base by its name."""
    from pathlib import Path

    from moonshine_voice.moonshine_api import ModelArch
    from moonshine_voice.transcriber import Transcriber

    arch = ModelArch.BASE if "base" in Path(weights).name else ModelArch.TINY
    transcriber = Transcriber(weights, arch)

    def read(samples: Samples) -> tuple[str, int]:
        return " ".join(line.text for line in transcriber.transcribe_without_streaming(samples.tolist()).lines), 0

    return reader(read, recordings)


def sherpa_onnx(weights: str, threads: int, recordings: list[str]) -> Calls:
    """A transducer through sherpa-onnx, greedy; int8 files if there are any. weights: a folder."""
    from pathlib import Path

    from sherpa_onnx import OfflineRecognizer

    from unmask.errors import InputError
    from unmask.speech.sample_rate import SAMPLE_RATE_HZ

    def part(name: str) -> str:
        found = sorted(Path(weights).glob(f"{name}*.int8.onnx")) or sorted(Path(weights).glob(f"{name}*.onnx"))
        if not found:
            raise InputError(f"{weights}: no {name}*.onnx in it; give the folder of a transducer for sherpa-onnx")
        return str(found[0])

    tokens = str(Path(weights) / "tokens.txt")
    model = OfflineRecognizer.from_transducer(part("encoder"), part("decoder"), part("joiner"), tokens, num_threads=threads)

    def read(samples: Samples) -> tuple[str, int]:
        stream = model.create_stream()
        stream.accept_waveform(SAMPLE_RATE_HZ, samples)
        model.decode_stream(stream)
        return stream.result.text, len(stream.result.tokens)

    return reader(read, recordings)


def pytorch(weights: str, threads: int, recordings: list[str], compiled: bool = False) -> Calls:
    """The bundle's own weights through PyTorch in float32; ways as of `ours`."""
    from pathlib import Path

    from benchmarks.lab.peers.eager import TorchRunner
    from unmask import Captioner, Engine, load_bundle

    bundle = load_bundle(Path(weights))
    engine = Engine(bundle, runner=TorchRunner(bundle, threads, compiled))
    return captioner_calls(Captioner(bundle, engine=engine), recordings)


def optimum(weights: str, threads: int, recordings: list[str], python: str) -> Calls:
    """ORTModelForSpeechSeq2Seq, greedy, in the Python of its own environment. weights: optimum's folder with tokenizer.json."""
    import json
    import os
    import subprocess
    from pathlib import Path

    from unmask.bundle.tokenizer import read_tokenizer
    from unmask.errors import InputError

    if not (file := Path(weights) / "tokenizer.json").is_file():
        raise InputError(f"{file}: missing; copy it from the checkpoint that was exported")
    tokenizer = read_tokenizer(file)
    program = [python, "-P", str(Path(__file__).parents[1] / "optimum/side.py"), weights, str(threads)]
    quiet = {**os.environ, "HF_HUB_OFFLINE": "1"}
    process = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=quiet)

    def answer() -> dict[str, Any]:
        assert process.stdout is not None
        if not (line := process.stdout.readline()):
            raise InputError(f"{weights}: optimum's process ended with code {process.wait()}; its own message is above")
        found: dict[str, Any] = json.loads(line)
        return found

    def call(recording: int) -> dict[str, Any]:
        assert process.stdin is not None
        process.stdin.write(f"{recordings[recording]}\n")
        process.stdin.flush()
        done = answer()
        text = tokenizer.decode(done["ids"]).strip()
        return Sample(done["seconds"], tokens=len(done["ids"]) - 2, rss_mib=done["rss_mib"], text=text).to_json()

    answer()  # it is ready
    return call
