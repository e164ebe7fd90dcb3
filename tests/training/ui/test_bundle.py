"""The bundle of ui-tiny says what PyTorch says."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from unmask.apps.ui.catalog import basic
from unmask.apps.ui.filler import Filler, row_count
from unmask.apps.ui.slots import CANNOT, FIELDS, MASK_ID, Filled, Slots
from unmask.bundle.manifest import load_bundle
from unmask.decoding.schedule import Schedule
from unmask.training.ui.batches import laid
from unmask.training.ui.exam import fill
from unmask.training.ui.grammar.examples import draw
from unmask.training.ui.model import UiModel
from unmask.training.ui.pieces import Encoder


@pytest.mark.parametrize("passes", [1, 3])
def test_the_runtime_fills_as_pytorch_does(bundle: Path, model: UiModel, pieces: Tokenizer, passes: int) -> None:
    rng, filler, encode = np.random.default_rng(3), Filler(load_bundle(bundle)), Encoder(pieces)
    schedule = Schedule(passes=passes, rule="quota", reuse=True, window="block", block=1000)
    for _ in range(6):
        example = draw(rng)
        found, used = filler.fill(example.words, example.panel, basic(), schedule)
        rows = row_count(len(example.words))
        wanted = fill(model, [example], encode, passes, threshold=1.0, rows=rows)[0]
        assert (found, used) == (wanted, passes)


def test_a_canvas_of_training_masks_what_it_asks_for(pieces: Tokenizer) -> None:
    rng, encode = np.random.default_rng(0), Encoder(pieces)
    for _ in range(50):
        example = draw(rng)
        made = laid(example, encode, rng)
        assert {i for i, id in enumerate(made.ids) if id == MASK_ID} == made.wanted.keys()
        padded = example.filled._replace(rows=(*example.filled.rows, *[Slots()] * 16))
        for at, id in made.wanted.items():
            assert padded.ids[at - made.prompt] == id
        assert (len(padded.ids) - 1) % len(FIELDS) == 0


def test_what_a_canvas_of_training_has_tells_nothing_of_the_answer(pieces: Tokenizer) -> None:
    """A fill has the same canvas for all answers; a model that is taught by what is left out sees more to say there."""
    rng, encode = np.random.default_rng(1), Encoder(pieces)
    for seed in range(30):
        example = draw(rng)
        nothing = replace(example, filled=Filled(CANNOT, ()))
        one, other = (laid(each, encode, np.random.default_rng(seed)) for each in (example, nothing))
        assert one.places == other.places
        assert len(one.ids) - one.prompt <= 1 + row_count(len(example.words)) * len(FIELDS)


def test_pointers_are_learned_with_their_places(model: UiModel) -> None:
    """Moving a word's place moves the embedding and the head of its pointer."""
    from unmask.apps.ui.slots import IDS

    before = model.table()[IDS["<word 3>"]].clone(), model.head_rows()[IDS["<word 3>"]].clone()
    places = model.word_places.clone()
    model.word_places[3] += 1
    after = model.table()[IDS["<word 3>"]], model.head_rows()[IDS["<word 3>"]]
    torch.testing.assert_close(after[0] - before[0], model.point_in.sum(0))
    torch.testing.assert_close(after[1] - before[1], model.point_out.sum(0))
    model.word_places.copy_(places)
