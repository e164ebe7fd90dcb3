"""An engine on the tiny bundle that records its inputs."""

from pathlib import Path

import pytest

from unmask.bundle.manifest import load_bundle
from unmask.engines.engine import Engine
from unmask.engines.runner import Arrays


class Watched(Engine):
    """Records the input tensors of each run."""

    def __init__(self, folder: Path) -> None:
        super().__init__(load_bundle(folder), observe=lambda run: self.fed.append(run.feeds))
        self.fed: list[Arrays] = []


@pytest.fixture(scope="module")
def engine(fp32_bundle: Path) -> Watched:
    return Watched(fp32_bundle)
