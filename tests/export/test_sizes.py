"""Sizes are steps that cover all that can be asked, and what they pad is what the rule says."""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmask.bundle.graph_spec import BACKBONE, TRANSCRIPT
from unmask.bundle.manifest import Manifest, load_bundle
from unmask.engines.padding import Padding, fits
from unmask.errors import InputError
from unmask.export.sizes import SizeRule, backbone_sizes, caption_sizes, steps

RULE = st.builds(
    SizeRule,
    shortest=st.integers(2, 40),
    ratio=st.floats(1.2, 4),
    read_ratio=st.floats(1.5, 5),
    shortest_samples=st.integers(2000, 200_000),
)


def waste(role: str, needs: Iterable[Mapping[str, int]], sizes: Sequence[Mapping[str, int]]) -> float:
    """The work that calls cause, as a multiple of what they need, when each runs on the smallest graph that fits.

    needs: sizes of the calls. sizes: sizes of the graphs.
    """
    work, computed, useful = BACKBONE.graph(role).work, 0, 0
    for need in needs:
        holding = [size for size in sizes if fits(need, size)]
        assert holding, f"no {role} graph of {list(sizes)} holds {dict(need)}"
        computed += min(holding, key=lambda size: math.prod(size.values()))[work]
        useful += need[work]
    return computed / useful


@pytest.fixture(scope="module")
def caption_manifest(fp32_bundle: Path) -> Manifest:
    return load_bundle(fp32_bundle).manifest


@given(shortest=st.integers(1, 50), longest=st.integers(1, 500), ratio=st.floats(1.05, 5))
def test_steps_rise_to_the_longest_and_none_is_wider_than_the_ratio(shortest: int, longest: int, ratio: float) -> None:
    found = steps(shortest, longest, ratio)
    assert found == sorted(set(found))
    assert found[-1] == longest
    assert all(above <= math.ceil(ratio * below) for below, above in itertools.pairwise(found))
    assert found[0] >= min(shortest, longest)


@given(samples=st.integers(2000, 30 * 16_000), read=st.integers(0, 200), rows=st.integers(1, 17), rule=RULE)
def test_every_call_of_a_captioner_finds_a_graph(
    caption_manifest: Manifest, samples: int, read: int, rows: int, rule: SizeRule
) -> None:
    record, padding = caption_manifest.transcript, Padding(TRANSCRIPT)
    assert record is not None
    made = caption_sizes(caption_manifest, 30, rule)
    text = int(record.tokens_per_second * samples / 16_000) + 2  # as the runtime bounds it; the start is one more
    whole, known = padding.whole({"samples": samples}), min(read, text)
    for role, need in (
        ("context", {"samples": samples}),
        ("window", {"tokens": text + 1, "past": 0}),
        ("window", {"tokens": min(rows, text + 1 - known), "past": known}),
    ):
        if role == "window":
            need |= {"frames": whole["frames"], "listed": 512}
        assert any(fits(need, size) for of, size in made if of == role), need


@pytest.mark.parametrize("ratio", [2**0.5, 2.0, 4.0])
def test_padding_is_what_the_rule_says_where_sizes_spread_evenly(ratio: float) -> None:
    longest = 4096
    sizes = [{"wanted": size} for size in steps(16, longest, ratio)]
    needs = [{"wanted": round(size)} for size in np.geomspace(longest / ratio**2 + 1, longest, 2000)]
    each = [waste("head", [need], sizes) for need in needs]
    assert np.mean(each) == pytest.approx((ratio - 1) / math.log(ratio), rel=0.02)


def test_backbones_take_whole_canvases_and_their_blocks() -> None:
    made = backbone_sizes(128, [32], ["head"], SizeRule(shortest=64))
    windows = [size for role, size in made if role == "window"]
    for need in (
        {"rows": 128, "wanted": 32, "slots": 128},
        {"rows": 32, "wanted": 32, "slots": 128},
        {"rows": 7, "wanted": 3, "slots": 40},
    ):
        assert waste("window", [need], windows) >= 1
    assert [size for role, size in made if role == "head"] == [{"wanted": 32}]


def test_ratios_are_above_1() -> None:
    with pytest.raises(InputError, match="ratios above 1"):
        SizeRule(ratio=1.0)
