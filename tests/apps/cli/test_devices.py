"""`unmask devices`: this machine, and what of a bundle runs on it."""

import dataclasses
import json
from pathlib import Path

import pytest

from tests.apps.conftest import Command
from unmask.apps.cli.bundles.devices import bundle_support
from unmask.bundle.manifest import Bucket, Bundle, load_bundle
from unmask.engines.devices import read_machine
from unmask.engines.onnx_providers import available


def test_the_machine_is_printed(command: Command) -> None:
    shown = command("devices")
    assert shown.code == 0
    for line in ("CPU", "engine onnx", "engine litert", "provider cpu", "CPUExecutionProvider"):
        assert line in shown.out


def test_a_bundle_whose_graphs_take_any_size(command: Command, fp32_bundle: Path) -> None:
    told = json.loads(command("devices", fp32_bundle, "--json", "--provider", "cpu").out)
    assert told["machine"]["cpu"]["cores"] >= 1
    graphs = {graph["role"]: graph for graph in told["bundle"]["graphs"]}
    assert set(graphs) == {"context", "window"}
    assert all(graph["runs"] and graph["sizes"] == {} for graph in graphs.values())
    (share,) = graphs["window"]["shares"]
    assert share["taken"] == share["nodes"] > 0
    assert "runs" in command("devices", fp32_bundle).out


@pytest.mark.skipif("azure" not in available(), reason="this ONNX Runtime was built without it")
def test_a_provider_that_takes_nothing(fp32_bundle: Path) -> None:
    bundle = load_bundle(fp32_bundle)
    for graph in bundle_support(bundle, read_machine(), ["azure"]).graphs:
        assert graph.shares[0].taken == 0
        assert graph.shares[0].nodes > 0


def test_a_provider_that_is_not_here_is_told_by_graph(command: Command, fp32_bundle: Path) -> None:
    shown = command("devices", fp32_bundle, "--provider", "abacus", "--json")
    assert shown.code == 0
    assert all("no provider abacus" in graph["shares"][0]["error"] for graph in json.loads(shown.out)["bundle"]["graphs"])


def test_graphs_of_fixed_sizes_are_told_by_engine(fp32_bundle: Path) -> None:
    bundle = load_bundle(fp32_bundle)
    sizes = [("context", {"samples": 48_000}), ("context", {"samples": 160_000}), ("window", {"tokens": 8, "past": 8})]
    buckets = tuple(Bucket("litert", role, "tokenizer.json", size, "int8") for role, size in sizes)
    held = Bundle(bundle.folder, dataclasses.replace(bundle.manifest, buckets=buckets))
    machine = read_machine()
    absent = tuple(dataclasses.replace(engine, version=None) for engine in machine.engines)
    found = bundle_support(held, dataclasses.replace(machine, engines=absent), [])
    assert (found.canvas_s, bundle_support(bundle, machine, []).longest_s) == (30.0, {})
    assert found.longest_s == {"litert": 10.0}
    assert {graph.runs for graph in found.graphs if graph.engine == "litert"} == {False}
    assert all("litert" in graph.reason for graph in found.graphs if graph.engine == "litert")


def test_coreml_runs_on_macos_alone(fp32_bundle: Path) -> None:
    bundle = load_bundle(fp32_bundle)
    bucket = Bucket("coreml", "context", "tokenizer.json", {"samples": 16_000}, "fp16")
    held = Bundle(bundle.folder, dataclasses.replace(bundle.manifest, graphs={}, buckets=(bucket,)))
    machine = read_machine()
    there = tuple(dataclasses.replace(engine, version="9.0") for engine in machine.engines)
    for system, runs in (("Linux 6", False), ("Darwin 25", True)):
        (graph,) = bundle_support(held, dataclasses.replace(machine, system=system, engines=there), []).graphs
        assert graph.runs == runs
