"""What of a task's inputs lies outside the model's world, in sentences. It answers all the same, with the nearest that it knows.

Knows bundles and codecs. Knows no canvas.
"""

import difflib
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unmask.bundle.codec_spec import codec_kind
from unmask.bundle.manifest import Bundle
from unmask.codecs import Codecs
from unmask.image.codec import LEAST_LIKENESS, ImageCodec
from unmask.text.generator import Input

WORD = re.compile(r"[^\W\d_]+")
LISTED = 5
SHOWN = 40  # characters of a word
ALIKE = 0.8  # of 1: a slip of the pen


def doubts(
    bundle: Bundle, codecs: Codecs, kinds: Mapping[str, str], inputs: Mapping[str, Input | NDArray[Any]]
) -> tuple[str, ...]:
    """A sentence for each input that the model does not know as it is. kinds: name of each input -> its modality.

    Only bundles say so that have a world of their own: `whole_words` in the manifest, `least_likeness` among a codec's settings.
    """
    found = []
    for name, value in inputs.items():
        if isinstance(value, str) and bundle.manifest.whole_words:
            found += _of_words(bundle, value)
        elif kinds.get(name) == "image" and isinstance(value, np.ndarray) and value.ndim == 3:
            found += _of_picture(bundle, codecs, value)
    return tuple(found)


def unknown_words(bundle: Bundle, text: str) -> list[str]:
    """Words of a text that are not one token, in lower case and in their order."""
    words = dict.fromkeys(word.lower() for word in WORD.findall(text))
    return [word for word in words if len(bundle.tokenizer.encode(word, add_special_tokens=False).ids) > 1]


def _of_words(bundle: Bundle, text: str) -> list[str]:
    unknown = unknown_words(bundle, text)
    if not unknown:
        return []
    known = [token for token in (token.lstrip("▁") for token in bundle.tokenizer.get_vocab()) if len(token) > 1]
    told = []
    for word in unknown[:LISTED]:
        near = difflib.get_close_matches(word, known, n=1, cutoff=ALIKE)
        told.append(
            f"{word if len(word) <= SHOWN else word[:SHOWN] + '...'!r}" + (f" (did you mean {near[0]!r}?)" if near else "")
        )
    more = f" and {len(unknown) - LISTED} more" if len(unknown) > LISTED else ""
    return [f"{bundle.manifest.name} does not know {', '.join(told)}{more}; it answers with what is nearest in its own world"]


def _of_picture(bundle: Bundle, codecs: Codecs, pixels: NDArray[Any]) -> list[str]:
    kind = codec_kind(bundle.manifest, "image", "reads")
    least = bundle.manifest.codecs[kind.name].settings.get(LEAST_LIKENESS)
    if least is None or not isinstance(runner := codecs.runner("image", "reads"), ImageCodec):
        return []
    share = runner.likeness(pixels)
    if share >= least:
        return []
    return [
        f"the picture is not of {bundle.manifest.name}'s world, since its codec keeps {100 * max(0.0, share):.0f} % of it; the "
        "answer is about what is nearest in its own world"
    ]
