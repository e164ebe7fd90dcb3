"""The interface of an engine: it runs graphs, and takes and returns tensors by name. Knows no engine."""

from collections.abc import Mapping
from typing import Any, Protocol

from numpy.typing import NDArray

from unmask.bundle.manifest import Bucket

Arrays = Mapping[str, NDArray[Any]]
"""Tensors by name."""


class Runner(Protocol):
    """Runs a bundle's graphs on one engine. Imports the engine and opens a graph when the graph is first needed."""

    def inputs(self, graph: Bucket) -> dict[str, tuple[Any, ...]]:
        """Name -> shape; a size that is not fixed is a string or None.

        Raises BundleError if the graph cannot be opened, InputError if the engine or its device is missing.
        """
        ...

    def outputs(self, graph: Bucket) -> tuple[str, ...]:
        """Names in the order of the graph. Raises as `inputs`."""
        ...

    def run(self, graph: Bucket, feeds: Arrays) -> Arrays:
        """Run a graph and return all outputs by name. feeds: all inputs, of exactly the graph's sizes if those are fixed."""
        ...
