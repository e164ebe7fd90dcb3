"""How far word times are from a forced alignment of the true transcript.

    python -m unmask.benchmarks.times --corpus DATA/test/librispeech --bundles models/caption-tiny-en --whisper WHISPER

The alignment is Whisper's own: its decoder reads the transcript and a monotonic path goes through its cross-attention; it is good
to about a tenth of a second. Only words that the captioner got right are compared, by their starts.
"""

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cyclopts
import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from unmask import Captioner, load_bundle
from unmask.benchmarks.wer import NORMAL, progress
from unmask.captioner import starts_word
from unmask.export.whisper import FRAMES_PER_SECOND, Whisper, load_whisper
from unmask.mel import SAMPLE_RATE_HZ, log_mel
from unmask.training.align import attention_scores, monotonic_path
from unmask.training.corpus import Utterance, read_corpus
from unmask.training.teacher import read, read_settings


@dataclass(frozen=True)
class Times:
    corpus: Path
    """The corpus's manifest without its ending."""
    bundles: tuple[Path, ...]
    whisper: Path
    limit: int | None = None


def main(options: Annotated[Times, cyclopts.Parameter(name="*")]) -> None:
    utterances = [u for u in read_corpus(options.corpus) if u.text][: options.limit]
    model = load_whisper(options.whisper)
    tokenizer = Tokenizer.from_file(str(options.whisper / "tokenizer.json"))
    _, heads = read_settings(options.whisper)
    truth = [aligned(u, model, tokenizer, heads) for u in progress(utterances)]
    print("| bundle | words compared | mean shift s | median error s | 90 % within s |\n|---|---|---|---|---|")
    for path in options.bundles:
        captioner = Captioner(load_bundle(path)).load()
        shifts = np.concatenate([shift(captioner, u, words) for u, words in zip(utterances, truth, strict=True)])
        errors = np.abs(shifts)
        print(
            f"| {path.name} | {len(errors)} | {shifts.mean():+.2f} | {np.median(errors):.2f} | {np.percentile(errors, 90):.2f} |"
        )


def aligned(utterance: Utterance, model: Whisper, tokenizer: Tokenizer, heads: list[tuple[int, int]]) -> list[tuple[str, float]]:
    """Each word of the transcript and when it starts, in seconds."""
    padded = np.pad(utterance.samples, (0, SAMPLE_RATE_HZ))
    with torch.inference_mode():
        states = model.encoder(torch.from_numpy(log_mel(padded[: len(padded) // 320 * 320]))[None])[0]
    encoded = tokenizer.encode(" " + utterance.text, add_special_tokens=False)
    first = monotonic_path(attention_scores(read(model, states, encoded.ids, heads).attention))
    starts = [i for i, token in enumerate(encoded.tokens) if starts_word(token)]
    return list(zip(utterance.text.split(), (first[starts] / FRAMES_PER_SECOND).tolist(), strict=True))


def shift(captioner: Captioner, utterance: Utterance, truth: list[tuple[str, float]]) -> NDArray[np.float64]:
    """Ours minus the alignment's, for each word that both have."""
    words = captioner.caption(utterance.samples).words
    ours, theirs = [NORMAL(word.text) for word in words], [NORMAL(word) for word, _ in truth]
    blocks = difflib.SequenceMatcher(a=ours, b=theirs, autojunk=False).get_matching_blocks()
    return np.array([words[b.a + i].start_s - truth[b.b + i][1] for b in blocks for i in range(b.size)], dtype=np.float64)


if __name__ == "__main__":
    cyclopts.run(main)
