"""An engine on the tiny bundle that keeps what it was fed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from numpy.typing import NDArray

from unmask.bundle.manifest import load_bundle
from unmask.engines.engine import Engine


class Watched(Engine):
    """Keeps the tensors that each run was given."""

    def __init__(self, folder: Path) -> None:
        super().__init__(load_bundle(folder))
        self.fed: list[Mapping[str, Any]] = []

    def run(self, role: str, feeds: Mapping[str, Any]) -> list[NDArray[Any]]:
        self.fed.append(feeds)
        return super().run(role, feeds)


@pytest.fixture(scope="module")
def engine(fp32_bundle: Path) -> Watched:
    return Watched(fp32_bundle)
