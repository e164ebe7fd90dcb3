"""What the measurements ask of any bundle: its engine, whether two belong to one model, and a transcript without its draft."""

from dataclasses import replace

import numpy as np

from unmask.bundle.manifest import Bundle, Manifest
from unmask.decoding.draft import Draft
from unmask.engines.known_engines import DEFAULT
from unmask.speech.transcript import Segment


def engine_of(manifest: Manifest) -> str:
    """The engine that runs graphs of any size if the bundle has some, otherwise the one that its graphs are for."""
    return DEFAULT if manifest.graphs else manifest.buckets[0].engine


def same_model(a: Bundle, b: Bundle) -> bool:
    """Whether both predict the same ids."""
    one, other = ((m.family, m.vocabulary.size, m.files[m.tokenizer].sha256) for m in (a.manifest, b.manifest))
    return one == other


def undrafted(segment: Segment) -> Segment:
    """A segment of a transcript bundle whose text is written token by token: each pass settles one."""
    return replace(segment, proposed=Draft(np.zeros(0, np.int64), np.zeros(0, np.float32), np.zeros(0)))
