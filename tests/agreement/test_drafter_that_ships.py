"""The drafter that ships: it fits Moonshine tiny, it drafts tokens and not specials, and it is small."""

import torch

from unmask.apps.cli.bundles.export import DRAFTERS
from unmask.export.modules.moonshine import TINY, Moonshine
from unmask.export.moonshine_weights import load_drafter


def test_the_drafter_that_ships_fits_moonshine_tiny() -> None:
    model = Moonshine(TINY)
    path = DRAFTERS[TINY.width]
    drafter = load_drafter(model, path)
    assert len(drafter.ids) > 3000
    assert drafter.ids.min() > 2  # START and END are the decoder's matter
    assert len(drafter.ids.unique()) == len(drafter.ids)
    assert path.stat().st_size < 6 << 20
    with torch.no_grad():
        letters, slots = drafter(torch.randn(1, 40, TINY.width))
    assert slots.shape == (1, 14, 1 + len(drafter.ids))
    assert bool(torch.isfinite(slots).all() and torch.isfinite(letters).all())
