"""What an engine is to the rest of the runtime: a runner of graphs, tensors by name in and out. Knows no engine."""

from collections.abc import Mapping
from typing import Any, Protocol

from numpy.typing import NDArray

from unmask.bundle.manifest import Bucket

Arrays = Mapping[str, NDArray[Any]]
"""Tensors by name."""


class Runner(Protocol):
    """Runs a bundle's graphs on one engine. Opens a graph when it is first needed, and imports the engine with it."""

    def inputs(self, graph: Bucket) -> dict[str, tuple[Any, ...]]:
        """Name -> shape; a size that is not fixed is a string or None. Raises BundleError for a graph that cannot be opened."""
        ...

    def outputs(self, graph: Bucket) -> tuple[str, ...]:
        """Names, in the order of the graph. Raises as `inputs`."""
        ...

    def run(self, graph: Bucket, feeds: Arrays) -> Arrays:
        """All outputs by name. feeds: every input, of exactly the graph's sizes where they are fixed."""
        ...
