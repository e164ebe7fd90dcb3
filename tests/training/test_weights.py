"""The weights to train further are those of the shipped bundles, and the models begin with them."""

from pathlib import Path

import numpy as np
import pytest

from unmask.bundle.manifest import load_bundle
from unmask.engines.engine import Engine
from unmask.training.omni import checkpoint as omni
from unmask.training.run import WEIGHTS
from unmask.training.ui import checkpoint as ui
from unmask.training.ui.pieces import NAME, learned

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "training" / "weights"


@pytest.mark.parametrize(("name", "load"), [("omni-tiny", omni.load_model), ("ui-tiny", ui.load_model)])
def test_the_bundle_has_their_embeddings(name: str, load: object) -> None:
    """Within what 8 bits change: a step, of which there are 128 up to the largest number of a row."""
    assert callable(load)
    table = load(KEPT / name / WEIGHTS).table().detach().numpy()
    ids = np.arange(0, len(table), 13)
    found, step = Engine(load_bundle(ROOT / "models" / name)).embed(ids), np.abs(table[ids]).max(1) / 128
    assert (np.abs(found - table[ids]).max(1) <= 1.01 * step).all()


def test_a_run_of_panels_begins_with_the_tokenizer_beside_its_weights(tmp_path: Path) -> None:
    found = learned(tmp_path, KEPT / "ui-tiny" / WEIGHTS)
    assert found.get_vocab() == load_bundle(ROOT / "models" / "ui-tiny").tokenizer.get_vocab()
    assert (tmp_path / NAME).exists()
    assert learned(tmp_path).get_vocab() == found.get_vocab()
