"""A spoken request as the text of a task that takes text: what the captioner hears, in words that the model knows.

Knows the captioner's bundle and words. Knows no task.
"""

import difflib
import re
from collections.abc import Collection
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unmask.apps.modalities.files import read_input
from unmask.bundle.manifest import Bundle
from unmask.doubts import unknown_words
from unmask.errors import AudioError, InputError
from unmask.session import open_model
from unmask.speech.captioner import Captioner

ALIKE = 0.5  # of 1: what sounds alike is often spelled less alike
SPEECH = "speech"


class Listener:
    """Hears what is said. The captioner is opened when it is first asked. Two threads must not ask one at the same time."""

    def __init__(self, captioner: Path) -> None:
        """captioner: folder of a bundle that captions."""
        self._folder = captioner

    @cached_property
    def _captioner(self) -> Captioner:
        listener = open_model(self._folder).captioner
        assert listener is not None, self._folder
        return listener

    def __call__(self, samples: NDArray[np.float32], name: str) -> str:
        """(N,) float32 in [-1, 1] at 16 kHz -> its text. Raises AudioError that names a sound without words."""
        text = self._captioner.caption(samples).text.strip()
        if not text:
            raise AudioError(f"{name}: no words are heard in it; record the request again, or write it")
        return text


def heard(recording: Path, captioner: Path) -> str:
    """The text of a recording. captioner: folder of a bundle that captions.

    Raises InputError for codes, and AudioError for a recording that cannot be read or has no words.
    """
    samples = read_input(SPEECH, recording)
    if not isinstance(samples, np.ndarray):
        raise InputError(f"--speech {recording}: codes cannot be heard for a task that takes text; give a recording or --prompt")
    return Listener(captioner)(samples, str(recording))


def in_words_of(bundle: Bundle, text: str) -> str:
    """The text in the words of a model with a world of its own. Texts for other models stay as they are.

    Each other word becomes the known word that is spelled most alike, if one is. Two words that are one are joined.
    """
    if not bundle.manifest.whole_words:
        return text
    plain = re.sub(r"[^\w\s,?]", " ", text.lower())
    known = {token.lstrip("▁") for token in bundle.tokenizer.get_vocab() if token.startswith("▁") and len(token) > 2}
    parts = re.findall(r"\w+|[,?]", plain)
    found, i = list[str](), 0
    while i < len(parts):
        pair = "".join(parts[i : i + 2])
        if pair in known and not set(parts[i : i + 2]) <= known:
            found.append(pair)
            i += 2
        else:
            found.append(_nearest(parts[i], known) if unknown_words(bundle, parts[i]) else parts[i])
            i += 1
    return re.sub(r" (?=[,?])", "", " ".join(found))


def _nearest(word: str, known: Collection[str]) -> str:
    return next(iter(difflib.get_close_matches(word, sorted(known), n=1, cutoff=ALIKE)), word)
