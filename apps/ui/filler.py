"""A bundle that fills canvases of panels: the prompt of a request, the ids that each slot may have, and the passes.

Knows bundles of the family ui_tiny. Knows no protocol, no audio and no screen.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np

from unmask.apps.ui.catalog import Catalog
from unmask.apps.ui.prompt import PLACES, prompt_of
from unmask.apps.ui.slots import COUNT, FIELDS, IDS, MASK_ID, ROWS, SIZE, TOKENS, WORDS, Filled, allowed
from unmask.apps.ui.surface import Panel
from unmask.apps.ui.words import Word
from unmask.bundle.manifest import Bundle
from unmask.decoding.canvas import Canvas, Span
from unmask.decoding.denoiser import Step
from unmask.decoding.sampler import fill
from unmask.decoding.schedule import Schedule
from unmask.engines.engine import Engine
from unmask.engines.engine_options import EngineOptions
from unmask.errors import BundleError, InputError
from unmask.text.denoiser import BackboneDenoiser, attention_layout

TASK = "ui"


class Filler:
    """Fills canvases. Keeps nothing between them. Two threads must not use one filler at the same time."""

    def __init__(self, bundle: Bundle, options: EngineOptions | None = None) -> None:
        """Raises BundleError for a bundle that fills no panels, or whose slots are not those of this version."""
        manifest = bundle.manifest
        if TASK not in manifest.templates:
            raise BundleError(f"{bundle.folder}: {manifest.name} makes no panels; leave out --bundle, or name a ui-tiny")
        first, last = manifest.places[TASK]
        if manifest.vocabulary.ranges[TASK] != (0, COUNT) or last - first != SIZE or not _same_tokens(bundle):
            raise BundleError(f"{bundle.folder}: its slots are not those that this version knows; train or fetch it again")
        self.bundle, self.engine = bundle, Engine(bundle, options)
        self._places = last - PLACES  # row of the embedding of the first place
        self._encode = lru_cache(maxsize=4096)(lambda word: tuple(bundle.tokenizer.encode(word, add_special_tokens=False).ids))

    def load(self) -> "Filler":
        """Open the graphs now."""
        for role in ("window", "head"):
            self.engine.check(role)
        return self

    def steps(
        self, words: Sequence[Word], panel: Panel | None, catalog: Catalog, schedule: Schedule | None = None
    ) -> Iterator[tuple[Filled, Step]]:
        """After each pass, the canvas as the model sees it by then, tentative slots included, and the step.

        Raises InputError for a request without words, and for one of more words than a canvas has pointers.
        """
        if not words:
            raise InputError("there are no words in the request; say what to show, such as: a slider for the volume")
        if len(words) > WORDS:
            raise InputError(f"the request has {len(words)} words; at most {WORDS} are understood, so say it in parts")
        ids, places = prompt_of(words, panel, self._encode)
        rows = row_count(len(words))
        size = 1 + rows * len(FIELDS)
        known = allowed(words, len(panel.rows) if panel else 0, catalog.types)
        start = len(ids)
        names = ("kind", *FIELDS * rows)
        spans = tuple(Span(start + i, start + i + 1, name, known[name]) for i, name in enumerate(names))
        canvas = Canvas(np.array([*ids, *[MASK_ID] * size], np.int64), spans, MASK_ID)
        own = self._places + np.array([*places, *range(WORDS + ROWS, WORDS + ROWS + size)], np.int64)
        denoiser = BackboneDenoiser(self.engine, len(canvas.ids), start, places=own)
        chosen = schedule or self.bundle.schedule(TASK)
        for step in fill(canvas, denoiser, chosen, layout=attention_layout(self.bundle.manifest, start)):
            yield Filled.of(step.tentative[start:].tolist()), step

    def fill(
        self, words: Sequence[Word], panel: Panel | None, catalog: Catalog, schedule: Schedule | None = None
    ) -> tuple[Filled, int]:
        """The canvas when all is filled, and the number of passes. Raises as `steps`."""
        *_, (filled, step) = self.steps(words, panel, catalog, schedule)
        return filled, step.number


def row_count(words: int) -> int:
    """Rows of the canvas for a request of so many words: a longer request may ask for more."""
    return min(ROWS, 6 + words * 3 // 4)


def _same_tokens(bundle: Bundle) -> bool:
    tokenizer = bundle.tokenizer
    return all(tokenizer.token_to_id(token) == IDS[token] for token in TOKENS)
