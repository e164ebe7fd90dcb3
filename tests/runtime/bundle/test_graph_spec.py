"""The table of graphs against real graphs, and everything that is derived from it."""

from dataclasses import replace
from pathlib import Path

import pytest

from unmask.bundle.graph import VARYING
from unmask.bundle.graph_spec import BACKBONE, KINDS, TRANSCRIPT, kind_of, markdown, missing_roles
from unmask.bundle.manifest import load_bundle
from unmask.engines.engine import Engine
from unmask.errors import BundleError

ROOT = Path(__file__).parents[3]


@pytest.fixture(params=["caption", "dream", "llada", "block", "omni"])
def engine(request: pytest.FixtureRequest) -> Engine:
    if request.param in ("dream", "llada", "block"):
        return Engine(load_bundle(request.getfixturevalue("backbones")[request.param]))
    folders = {"caption": "fp32_bundle", "omni": "omni"}
    return Engine(load_bundle(request.getfixturevalue(folders[request.param])))


def test_real_graphs_take_and_make_what_the_table_says(engine: Engine) -> None:
    for role in engine.bundle.manifest.roles:
        spec = engine.kind.graph(role).any_size(engine.bundle.manifest.attention)
        shapes = engine.inputs(role)
        assert list(shapes) == spec.input_names
        assert list(engine.outputs(role)) == spec.output_names
        for tensor in spec.inputs:
            assert len(shapes[tensor.name]) == len(tensor.dims), tensor.name
            free = {axis for axis, size in enumerate(shapes[tensor.name]) if not isinstance(size, int)}
            loose = {axis for axis, dim in enumerate(tensor.dims) if dim == "1 or wanted"}  # broadcast, so left open
            assert free - loose == set(tensor.varying), tensor.name


def test_only_attention_that_hides_something_takes_a_mask(backbones: dict[str, Path]) -> None:
    window = BACKBONE.graph("window")
    for attention in ("prefix", "block"):
        assert window.any_size(attention) == window
    assert set(window.input_names) - set(window.any_size("full").input_names) == {"mask"}
    taken = {family: Engine(load_bundle(folder)).inputs("window").keys() for family, folder in backbones.items()}
    assert {family for family, names in taken.items() if "mask" in names} == {"block"}
    captions = TRANSCRIPT.graph("window")
    assert captions.any_size("full") == captions


def test_names_are_used_once_within_a_graph() -> None:
    for kind in KINDS:
        for graph in kind.graphs.values():
            for names in (graph.input_names, graph.output_names):
                assert len(names) == len(set(names))
            assert graph.work in VARYING


def test_the_graphs_decide_the_kind(fp32_bundle: Path, backbones: dict[str, Path]) -> None:
    caption, dream = load_bundle(fp32_bundle).manifest, load_bundle(backbones["dream"]).manifest
    assert (kind_of(caption), kind_of(dream)) == (TRANSCRIPT, BACKBONE)
    renamed = replace(dream, family="a family that came later")
    assert kind_of(renamed) is BACKBONE
    part = replace(caption, graphs={"context": caption.graphs["context"]})
    assert (kind_of(part), missing_roles(part)) == (TRANSCRIPT, ["window"])
    with pytest.raises(BundleError, match="has graphs for context, head, which do not go together: transcript bundles have"):
        kind_of(replace(dream, graphs={"context": "a", "head_text": "b"}))


def test_the_page_on_bundles_has_the_table() -> None:
    page = (ROOT / "docs" / "bundle.md").read_text(encoding="utf-8")
    begin, end = "<!-- graphs -->", "<!-- /graphs -->"
    assert page.split(begin)[1].split(end)[0].strip() == markdown().strip()
