"""The components of a catalog with their properties, as data: A2UI's basic catalog, or a maker's own widgets from a JSON file.

Each property has a kind. `text`, `number`, `boolean` and `texts` are literals or bound to the data model, those that begin with
`fixed` are literals only, a list names the literals that may stand there, and the others are what they are called.
Knows no messages and no screen.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from unmask.apps.ui.slots import COMPONENTS
from unmask.bundle.dataclass_json import parse_json
from unmask.errors import InputError

Kind = str | tuple[str, ...]
KINDS = (
    *("text", "number", "boolean", "texts", "fixed text", "fixed number", "fixed boolean", "moment"),
    *("component", "components", "tabs", "options", "action", "checks"),
)
COMMON = {"accessibility": "accessibility", "weight": "fixed number"}  # properties of every component
RESERVED = ("id", "component")  # of every component in a message
CONTAINERS = ("Column", "List", "Row")  # of which a catalog needs one
LITERALS: dict[str, type | tuple[type, ...]] = {"text": str, "number": (int, float), "boolean": bool, "texts": list}


@dataclass(frozen=True)
class Component:
    """A component that a catalog has, or a widget that stands for one."""

    name: str
    required: tuple[str, ...]
    properties: Mapping[str, Kind]
    names: Mapping[str, str] = field(default_factory=dict)  # of properties of A2UI's component -> the widget's own

    def written(self, properties: Mapping[str, Any]) -> dict[str, Any]:
        """Properties of A2UI's component by the widget's own names, without those that it lacks."""
        named = {self.names.get(name, name): value for name, value in properties.items()}
        return {name: value for name, value in named.items() if name in self.properties and self._allowed(name, value)}

    def read(self, properties: Mapping[str, Any]) -> dict[str, Any]:
        """The other way round."""
        back = {own: name for name, own in self.names.items()}
        return {back.get(name, name): value for name, value in properties.items()}

    def _allowed(self, name: str, value: Any) -> bool:
        kind = self.properties[name]
        return not isinstance(kind, tuple) or value in kind


@dataclass(frozen=True)
class Catalog:
    """The components that a screen can show."""

    id: str
    components: Mapping[str, Component]  # by the component of A2UI that each stands for

    @property
    def types(self) -> tuple[str, ...]:
        """The components of A2UI that it has, or has a widget for."""
        return tuple(self.components)

    def faults(self, components: list[dict[str, Any]]) -> Iterator[str]:
        """What is wrong with components of a message, as sentences. None: all is as the catalog says."""
        by_name = {component.name: component for component in self.components.values()}
        known = {each.get("id") for each in components}
        for each in components:
            name, id = each.get("component"), each.get("id")
            if not isinstance(id, str) or name not in by_name:
                yield f"{id}: {name!r} is not a component of {self.id}"
                continue
            own = {key: value for key, value in each.items() if key not in RESERVED}
            component = by_name[name]
            yield from (f"{id} lacks {key}" for key in component.required if key not in own)
            for key, value in own.items():
                kind = component.properties.get(key) or COMMON.get(key)
                if kind is None:
                    yield f"{id} has {key}, which {name} does not have"
                elif fault := _fault(kind, value, known):
                    yield f"{id}.{key} {fault}"


def _fault(kind: Kind, value: Any, known: set[Any]) -> str:
    if isinstance(kind, tuple):
        return "" if value in kind else f"is {value!r}, not one of {', '.join(kind)}"
    bound = isinstance(value, dict) and isinstance(value.get("path"), str)
    if kind in LITERALS:
        return "" if bound or _is(value, kind) else f"is {value!r}, which is no {kind}"
    if kind.startswith("fixed "):
        return "" if _is(value, kind.removeprefix("fixed ")) else f"is {value!r}, which is no {kind}"
    if kind == "component":
        return "" if value in known else f"leads to {value!r}, which is not there"
    if kind == "components":
        lost = [id for id in value if id not in known] if isinstance(value, list) else []
        return f"leads to {lost[0]!r}, which is not there" if lost else "" if bound or isinstance(value, list) else "is no list"
    if kind in ("tabs", "options"):
        second = "child" if kind == "tabs" else "value"
        right = (
            isinstance(value, list)
            and bool(value)
            and all(isinstance(v, dict) and v.keys() == {_first(kind), second} for v in value)
        )
        return "" if right else f"is no list of {kind}"
    return ""


def _first(kind: str) -> str:
    return "title" if kind == "tabs" else "label"


def _is(value: Any, kind: str) -> bool:
    return isinstance(value, LITERALS[kind]) and (kind == "boolean" or not isinstance(value, bool))


def basic() -> Catalog:
    """A2UI's basic catalog, v0.9."""
    text = (files("unmask.apps.ui") / "catalogs" / "basic.json").read_text(encoding="utf-8")
    return _catalog(parse_json(text), "basic.json")


def read_catalog(path: Path) -> Catalog:
    """A maker's catalog: `{"catalogId": ..., "components": {"Dial": {"as": "Slider", "names": {"min": "from"}}}}`.

    `as` is the component of A2UI that a widget stands for, by default its own name; `names` are properties that are called
    something else; `properties` and `required` are those of A2UI's component unless they are given. Raises InputError that says
    what is wrong with the file.
    """
    try:
        raw = parse_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); name a JSON file with catalogId and components") from error
    except ValueError as error:
        raise InputError(f"{path}: not a catalog ({error}); give a JSON file with catalogId and components") from error
    return _catalog(raw, str(path))


def _catalog(raw: Any, where: str) -> Catalog:
    if not isinstance(raw, dict) or not isinstance(raw.get("catalogId"), str) or not isinstance(raw.get("components"), dict):
        raise InputError(f"{where}: a catalog is an object with catalogId, a text, and components, an object")
    own = where == "basic.json"
    found: dict[str, Component] = {}
    for name, given in raw["components"].items():
        component, type = _component(name, given, where, None if own else basic())
        if type in found:
            raise InputError(f"{where}: {found[type].name} and {name} both stand for {type}; leave one of them out")
        found[type] = component
    if not set(CONTAINERS) & found.keys():
        raise InputError(f"{where}: nothing holds other components; add one of {', '.join(CONTAINERS)}")
    if "Text" not in found:
        raise InputError(f'{where}: nothing shows words; add Text, or a widget with "as": "Text"')
    return Catalog(raw["catalogId"], found)


def _component(name: str, given: Any, where: str, base: Catalog | None) -> tuple[Component, str]:
    if not isinstance(given, dict):
        raise InputError(f"{where}: {name} must be an object, not {given!r}")
    type = given.get("as", name)
    if type not in COMPONENTS:
        raise InputError(f'{where}: {name} stands for {type!r}; give "as" with one of {", ".join(COMPONENTS)}')
    whole = base.components[type] if base else Component(name, (), {})
    renamed = _names(f"{where}: {name}", given.get("names", {}), type, whole) if base else {}
    properties = given.get("properties") or {renamed.get(key, key): kind for key, kind in whole.properties.items()}
    required = given.get("required", [renamed.get(key, key) for key in whole.required])
    if not isinstance(properties, dict):
        raise InputError(f"{where}: properties of {name} must be kinds by property, not {properties!r}")
    for key, kind in properties.items():
        if kind not in KINDS and not (isinstance(kind, list | tuple) and kind and all(isinstance(v, str) for v in kind)):
            raise InputError(f"{where}: {name}.{key} is of the kind {kind!r}; known: {', '.join(KINDS)}, or a list of texts")
    if base and (lost := {renamed.get(key, key) for key in whole.required} - properties.keys()):
        raise InputError(f"{where}: {name} stands for {type} and so needs {min(lost)}, which its properties lack")
    if not isinstance(required, list) or not all(isinstance(key, str) and key in properties for key in required):
        raise InputError(f"{where}: required of {name} must be a list of its properties, not {required!r}")
    kinds = {key: tuple(kind) if isinstance(kind, list) else kind for key, kind in properties.items()}
    return Component(name, tuple(required), kinds, renamed), type


def _names(widget: str, renamed: Any, type: str, whole: Component) -> dict[str, str]:
    """What a widget calls the properties of A2UI's component, if it can be told apart and read back. Raises InputError."""
    if not isinstance(renamed, dict) or not all(isinstance(own, str) and own for own in renamed.values()):
        raise InputError(f"{widget}: names must be texts by property, not {renamed!r}")
    if stray := set(renamed) - whole.properties.keys():
        raise InputError(f"{widget} renames {min(stray)}, which {type} does not have")
    taken = Counter([renamed.get(key, key) for key in whole.properties] + list(RESERVED))
    if twice := [own for own, times in taken.items() if times > 1]:
        raise InputError(f"{widget} calls two things {twice[0]!r}; give each property a name of its own")
    return renamed
