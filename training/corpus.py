"""Read a corpus: a JSON-lines manifest and the tar of its recordings.

Each line of `NAME.jsonl` has `id`, `file` (the recording's name in `NAME.tar`) and, if known, `text`, `speaker` and `written`.
Recordings are 16 kHz mono, in any format that libsndfile reads.
"""

import io
import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from unmask.speech.sample_rate import SAMPLE_RATE_HZ


@dataclass(frozen=True)
class Utterance:
    id: str
    text: str  # words of the transcript in lower case; empty without a transcript
    samples: NDArray[np.float32]
    speaker: str = ""
    written: str = ""  # the transcript with case and punctuation, if they are certain


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The records of a JSON-lines file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def read_corpus(path: Path) -> Iterator[Utterance]:
    """The utterances of a corpus. path: the manifest without `.jsonl`. Raises ValueError when a recording is not at 16 kHz."""
    with tarfile.open(f"{path}.tar") as tar:
        for row in read_lines(path.with_name(f"{path.name}.jsonl")):
            member = tar.extractfile(row["file"])
            if member is None:
                raise ValueError(f"{path}.tar: {row['file']} is not a file")
            samples, rate = soundfile.read(io.BytesIO(member.read()), dtype="float32")
            if rate != SAMPLE_RATE_HZ:
                raise ValueError(f"{path}.tar: {row['file']} is at {rate} Hz, not {SAMPLE_RATE_HZ}")
            yield Utterance(row["id"], row.get("text", ""), samples, str(row.get("speaker", "")), row.get("written", ""))


def read_corpus_split(path: Path, split: str) -> Iterator[Utterance]:
    """The utterances of one split: the noise manifest has two, and only the one for training may be mixed in."""
    wanted = {row["id"] for row in read_lines(path.with_name(f"{path.name}.jsonl")) if row["split"] == split}
    return (u for u in read_corpus(path) if u.id in wanted)
