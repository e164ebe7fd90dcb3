"""The weights to train further fit the shipped bundles, and the models begin with them."""

from pathlib import Path

import numpy as np

from unmask.bundle.manifest import load_bundle
from unmask.engines.engine import Engine
from unmask.training.codecs.speech import Codes
from unmask.training.omni import checkpoint as omni
from unmask.training.omni.model import looks_of
from unmask.training.omni.vocabulary import make_tokenizer
from unmask.training.run import WEIGHTS
from unmask.training.ui import checkpoint as ui
from unmask.training.ui.pieces import NAME, learned

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "training" / "weights"


def test_the_bundle_of_panels_has_their_embeddings() -> None:
    """Within what 8 bits change: a step, of which there are 128 up to the largest number of a row."""
    table = ui.load_model(KEPT / "ui-tiny" / WEIGHTS).table().detach().numpy()
    ids = np.arange(0, len(table), 13)
    found, step = Engine(load_bundle(ROOT / "models" / "ui-tiny")).embed(ids), np.abs(table[ids]).max(1) / 128
    assert (np.abs(found - table[ids]).max(1) <= 1.01 * step).all()


def test_the_codes_that_weights_know_are_those_of_the_bundle() -> None:
    """So that a run can go on from them: codecs that are made again may number what they know otherwise."""
    model, bundle = omni.load_model(KEPT / "omni-tiny" / WEIGHTS), load_bundle(ROOT / "models" / "omni-tiny")
    codes, words = Codes.of(bundle), make_tokenizer()
    known = {words.id_to_token(i): int(count) for i, count in enumerate(model.paces) if count}
    assert known == codes.counts
    own, made = (sounds @ sounds.T for sounds in (model.sounds, looks_of(codes.means)))  # components have no sign of their own
    assert float((own - made).norm() / made.norm()) < 0.02


def test_a_run_of_panels_begins_with_the_tokenizer_beside_its_weights(tmp_path: Path) -> None:
    found = learned(tmp_path, KEPT / "ui-tiny" / WEIGHTS)
    assert found.get_vocab() == load_bundle(ROOT / "models" / "ui-tiny").tokenizer.get_vocab()
    assert (tmp_path / NAME).exists()
    assert learned(tmp_path).get_vocab() == found.get_vocab()
