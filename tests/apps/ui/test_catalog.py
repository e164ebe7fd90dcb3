"""Catalogs from files: makers' widgets, and what is said about a file with an error."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.apps.ui.conftest import SCHEMAS
from unmask.apps.ui.catalog import basic, read_catalog
from unmask.apps.ui.components import compiled
from unmask.apps.ui.messages import opened, panel_of
from unmask.apps.ui.slots import COMPONENTS, ICONS
from unmask.apps.ui.surface import Panel, Row, settled
from unmask.errors import InputError

WIDGETS: dict[str, Any] = {
    "catalogId": "widgets",
    "components": {
        "Stack": {"as": "Column"},
        "Label": {"as": "Text", "names": {"text": "words"}},
        "Dial": {"as": "Slider", "names": {"min": "from", "max": "to", "label": "title"}},
        "Push": {"as": "Button"},
    },
}
ROWS = (
    Row("Text", label="Bedroom", style="h3"),
    Row("Slider", label="Heat", low=10, high=30, value=20.0),
    Row("CheckBox", label="Fan"),
    Row("Row"),
    Row("Button", 1, "Save"),
)


def written(folder: Path, content: Any) -> Path:
    path = folder / "widgets.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def test_widgets_of_a_maker(tmp_path: Path) -> None:
    catalog = read_catalog(written(tmp_path, WIDGETS))
    made = compiled(settled(Panel(ROWS)), catalog)
    parts = made.components
    assert list(catalog.faults(list(parts.values()))) == []
    assert parts["heat"] == {"id": "heat", "component": "Dial", "title": "Heat", "from": 10, "to": 30, "value": {"path": "/heat"}}
    assert parts["root"] == {"id": "root", "component": "Stack", "children": ["title", "heat", "save"]}  # it has no switch
    assert parts["title"] == {"id": "title", "component": "Label", "words": "Bedroom", "variant": "h3"}
    assert compiled(panel_of(opened(made, catalog), catalog), catalog) == made


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("{", "not a catalog"),
        ("[" * 100_000, "not a catalog .*too deep"),
        ([], "a catalog is an object with catalogId"),
        ({"components": {"Dial": {"as": "Knob"}}}, "Dial stands for 'Knob'"),
        ({"components": {"Dial": 3}}, "Dial must be an object"),
        ({"components": {"Dial": {"as": "Slider", "names": {"step": "by"}}}}, "renames step, which Slider does not have"),
        ({"components": {"Dial": {"as": "Slider", "names": 7}}}, "Dial: names must be texts"),
        ({"components": {"Dial": {"as": "Slider", "names": {"min": ""}}}}, "Dial: names must be texts"),
        ({"components": {"Dial": {"as": "Slider", "names": {"min": "max"}}}}, "Dial calls two things 'max'"),
        ({"components": {"Dial": {"as": "Slider", "names": {"min": "x", "max": "x"}}}}, "Dial calls two things 'x'"),
        ({"components": {"Dial": {"as": "Slider", "names": {"min": "id"}}}}, "Dial calls two things 'id'"),
        ({"components": {"Dial": {"as": "Slider", "properties": ["value"]}}}, "properties of Dial must be kinds by property"),
        ({"components": {"Dial": {"as": "Slider", "required": 3}}}, "required of Dial must be a list of its properties"),
        ({"components": {"Dial": {"as": "Slider", "required": ["depth"]}}}, "required of Dial must be a list of its properties"),
        ({"components": {"Dial": {"as": "Slider", "properties": {"value": "numbr"}}}}, "of the kind 'numbr'"),
        ({"components": {"Dial": {"as": "Slider", "properties": {"value": "number"}}}}, "so needs max"),
        ({"components": {"Text": {}, "Label": {"as": "Text"}, "Row": {}}}, "Text and Label both stand for Text"),
        ({"components": {"Text": {}}}, "nothing holds other components"),
        ({"components": {"Row": {}}}, "nothing shows words"),
    ],
)
def test_a_file_with_an_error(tmp_path: Path, change: Any, said: str) -> None:
    content = {**WIDGETS, **change} if isinstance(change, dict) else change
    with pytest.raises(InputError, match=said):
        read_catalog(written(tmp_path, content))


def test_the_catalog_knows_what_the_canvas_knows() -> None:
    catalog = basic()
    assert set(catalog.types) == set(COMPONENTS)
    assert catalog.components["Icon"].properties["name"] == ICONS


@pytest.mark.parametrize(
    ("component", "said"),
    [
        ({"id": "a", "component": "Dial"}, "is not a component"),
        ({"id": "a", "component": "Slider", "value": 1}, "a lacks max"),
        ({"id": "a", "component": "Slider", "value": 1, "max": "ten"}, "a.max is 'ten'"),
        ({"id": "a", "component": "Slider", "value": True, "max": 1}, "a.value is True"),
        ({"id": "a", "component": "Text", "text": "x", "variant": "huge"}, "not one of h1"),
        ({"id": "a", "component": "Text", "text": "x", "color": "red"}, "has color, which Text does not have"),
        ({"id": "a", "component": "Card", "child": "b"}, "leads to 'b'"),
        ({"id": "a", "component": "Column", "children": ["b"]}, "leads to 'b'"),
        ({"id": "a", "component": "Tabs", "tabs": []}, "is no list of tabs"),
        ({"component": "Text", "text": "x"}, "is not a component"),
    ],
)
def test_faults_are_found(component: dict[str, Any], said: str) -> None:
    (fault,) = basic().faults([component])
    assert said in fault


def test_our_data_is_what_the_official_catalog_says() -> None:
    path = SCHEMAS / "v0_9/catalogs/basic/catalog.json"
    if not path.is_file():
        pytest.skip("A2UI's schemas are not here")
    official = json.loads(path.read_text(encoding="utf-8"))
    catalog = basic()
    assert catalog.id == official["catalogId"]
    assert catalog.components.keys() == official["components"].keys()
    for name, schema in official["components"].items():
        parts = schema["allOf"]
        properties = {key for part in parts for key in part.get("properties", {})} - {"component"}
        properties |= {"checks"} if any(part.get("$ref", "").endswith("Checkable") for part in parts) else set()
        required = {key for part in parts for key in part.get("required", [])} - {"component"}
        assert set(catalog.components[name].properties) == properties
        assert set(catalog.components[name].required) == required
        for part in parts:
            for key, value in part.get("properties", {}).items():
                if "enum" in value:
                    assert catalog.components[name].properties[key] == tuple(value["enum"])
