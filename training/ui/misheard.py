"""What the captioner makes of words that synthetic voices say: the file `misheard.json`, which training draws from.

    python -m unmask.training.ui.misheard --captioner models/moonshine-tiny-en --lines 500

Sentences are the grammar's, as training draws them; voices are others than those of the tests. The file has 500 lines of the
voices below (seed 3), and 300 of ten of Kokoro's (seed 4: af_heart, af_sarah, af_sky, am_adam, am_liam, am_onyx, bf_alice,
bf_isabella, bm_fable, bm_lewis).
"""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache
from pathlib import Path
from typing import Annotated

import cyclopts
import numpy as np
import soxr

from unmask import Captioner, load_bundle
from unmask.apps.ui.words import spoken, words_of
from unmask.speech.sample_rate import SAMPLE_RATE_HZ
from unmask.training.synthesize import open_voice
from unmask.training.ui.grammar.examples import draw

FILE = Path(__file__).with_name("misheard.json")
NUMBER = re.compile(r"-?\d+(\.\d+)?")
MOST = 2  # words that are heard as others together


@dataclass(frozen=True)
class MisheardOptions:
    captioner: Path
    lines: int = 500
    voices: tuple[str, ...] = ("flite:awb", "flite:kal", "espeak:en-gb", "espeak:en-gb-scotland", "espeak:en-us+f3")
    out: Path = FILE
    """Is added to."""
    seed: int = 3


def main(options: Annotated[MisheardOptions, cyclopts.Parameter(name="*")]) -> None:
    captioner = Captioner(load_bundle(options.captioner)).load()
    voices = [open_voice(name) for name in options.voices]
    rng = np.random.default_rng(options.seed)
    known = json.loads(options.out.read_text(encoding="utf-8")) if options.out.exists() else {}
    found = defaultdict[str, Counter[str]](Counter, {said: Counter(instead) for said, instead in known.items()})
    for i in range(options.lines):
        text = NUMBER.sub(lambda m: spoken(float(m[0])), draw(rng).text)
        samples, rate = voices[i % len(voices)](text, 1.0)
        heard = captioner.caption(soxr.resample(samples, rate, SAMPLE_RATE_HZ).astype(np.float32)).text
        for said, instead in differences(text, heard):
            found[said][instead] += 1
    lines = [f" {json.dumps(said)}: {json.dumps(dict(found[said].most_common()))}" for said in sorted(found)]
    options.out.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def differences(said: str, heard: str) -> list[tuple[str, str]]:
    """Words that were heard as others. Numbers and times, which have no words of their own, are left out."""
    ours, theirs = (
        [word.text if word.number is None and word.time is None else "#" for word in words_of(text) if word.text != ","]
        for text in (said, heard)
    )
    found = []
    for kind, a, b, c, d in SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes():
        if (
            kind == "replace"
            and words_of(" ".join(theirs[c:d]))
            and b - a <= MOST
            and d - c <= MOST + 1
            and "#" not in ours[a:b] + theirs[c:d]
        ):
            found.append((" ".join(ours[a:b]), " ".join(theirs[c:d])))
    return found


@cache
def misheard() -> Mapping[str, Mapping[str, int]]:
    """Words -> what was heard instead, and how often."""
    known: dict[str, dict[str, int]] = json.loads(FILE.read_text(encoding="utf-8"))
    return known


if __name__ == "__main__":
    cyclopts.run(main)
