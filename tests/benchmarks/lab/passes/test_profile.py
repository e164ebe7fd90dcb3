"""The program that profiles passes: its bound is the slower of reading and multiplying, and every node of a graph is counted."""

from pathlib import Path

import onnx
import pytest

from benchmarks.lab.passes.profile import PassesOptions, main, nodes_table, passes, roofline_s, table
from unmask import load_bundle
from unmask.benchmarks.measure.ceiling import Ceiling
from unmask.benchmarks.scenarios.graph_cost import GraphCost
from unmask.errors import InputError

CEILING = Ceiling(1, 1e9, 4e9, 2e9)


def test_the_roofline_is_reads_for_few_rows_and_products_for_many() -> None:
    costs = {"window": GraphCost(6_000_000, 0, 6_000_000), "head": GraphCost(0, 2_000_000, 2_000_000)}
    assert roofline_s(costs, 1, CEILING, "int8") == pytest.approx(8e6 / 2e9)
    assert roofline_s(costs, 10, CEILING, "int8") == pytest.approx(80e6 / 4e9)
    assert roofline_s(costs, 10, CEILING, "fp32") == pytest.approx(80e6 / 1e9)


def test_all_rows_of_all_graphs_are_in_the_tables(backbones: dict[str, Path]) -> None:
    bundle = load_bundle(backbones["dream"])
    options = PassesOptions((bundle.folder,), rows=(1, 3), context=4, rounds=1)
    taken = passes([bundle], options)
    assert min(taken.values()) > 0
    lines = table(bundle, taken, CEILING, options.rows).splitlines()
    assert [line.split()[1] for line in lines[2:]] == ["1", "3"]
    *_, last = nodes_table(bundle, "head", options).splitlines()
    session_nodes = int(last.split("|")[2])
    assert 8 <= session_nodes <= 2 * len(onnx.load(bundle.path("head.onnx"), load_external_data=False).graph.node)


def test_a_captioner_is_refused(fp32_bundle: Path) -> None:
    with pytest.raises(InputError, match="not a backbone's bundle"):
        main(PassesOptions((fp32_bundle,)))
