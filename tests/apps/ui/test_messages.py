"""Whatever fills a canvas makes messages that A2UI's schemas accept, and messages lead back to the panel."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.apps.ui.conftest import TEXT, random_canvas
from unmask.apps.ui.catalog import basic
from unmask.apps.ui.components import compiled
from unmask.apps.ui.messages import changes, opened, panel_of
from unmask.apps.ui.slots import EDIT, NEW
from unmask.apps.ui.surface import read
from unmask.apps.ui.words import words_of

CATALOG = basic()
WORDS = words_of(TEXT)
CANVASES = 10_000


def reachable(components: dict[str, dict[str, Any]]) -> set[str]:
    found, left = set(), ["root"]
    while left:
        id = left.pop()
        assert id not in found, f"{id} has two places in the tree"
        found.add(id)
        each = components[id]
        left += each.get("children", [])
        left += [tab["child"] for tab in each.get("tabs", [])]
        left += [each[key] for key in ("child", "trigger", "content") if key in each]
    return found


@pytest.mark.parametrize("canvases", [1000, pytest.param(CANVASES, marks=pytest.mark.slow)])
def test_every_filling_of_a_canvas_is_valid(canvases: int) -> None:
    rng = np.random.default_rng(0)
    shown = 0
    for _ in range(canvases):
        panel = read(random_canvas(rng, len(WORDS), 0, NEW), WORDS, None).panel
        if panel is None:
            continue
        made = compiled(panel, CATALOG)
        shown += 1
        assert list(CATALOG.faults(list(made.components.values()))) == []
        assert reachable(made.components) == made.components.keys()
        bound = {json.dumps(each["value"]) for each in made.components.values() if isinstance(each.get("value"), dict)}
        assert bound <= {json.dumps({"path": f"/{id}"}) for id in made.data}
    assert shown > canvases * 0.8


@pytest.mark.parametrize("most", [400, pytest.param(2000, marks=pytest.mark.slow)])
def test_every_filling_of_an_edit_is_valid_and_keeps_ids(most: int) -> None:
    rng = np.random.default_rng(1)
    edits = 0
    while edits < most:
        panel = read(random_canvas(rng, len(WORDS), 0, NEW), WORDS, None).panel
        if panel is None:
            continue
        for _ in range(4):
            before = compiled(panel, CATALOG)
            after = read(random_canvas(rng, len(WORDS), len(panel.rows), EDIT), WORDS, panel).panel
            if after is None:  # all of it is removed
                break
            made = compiled(after, CATALOG)
            assert list(CATALOG.faults(list(made.components.values()))) == []
            assert reachable(made.components) == made.components.keys()
            assert {row.id for row in after.rows} <= after.used
            replayed = panel_of([*opened(before, CATALOG), *changes(before, made)], CATALOG)
            assert compiled(replayed, CATALOG) == made
            panel, edits = after, edits + 1


@pytest.mark.parametrize("canvases", [100, pytest.param(CANVASES, marks=pytest.mark.slow)])
def test_the_official_schemas_agree(official: Callable[[dict[str, Any]], list[str]], canvases: int) -> None:
    rng = np.random.default_rng(2)
    for _ in range(canvases):
        panel = read(random_canvas(rng, len(WORDS), 0, NEW), WORDS, None).panel
        if panel is None:
            continue
        edited = read(random_canvas(rng, len(WORDS), len(panel.rows), EDIT), WORDS, panel).panel
        if edited is None:
            continue
        before, after = compiled(panel, CATALOG), compiled(edited, CATALOG)
        for message in [*opened(before, CATALOG), *changes(before, after)]:
            assert official(message) == [], message
