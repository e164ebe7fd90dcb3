"""Strict parsing of JSON into dataclasses: each type that it knows, each error, and the path that the error names."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from unmask.bundle.dataclass_json import from_json, parse_json
from unmask.errors import BundleError


@dataclass(frozen=True)
class Leaf:
    count: int
    share: float = 0.5


@dataclass(frozen=True)
class Tree:
    name: str
    alive: bool
    leaf: Leaf
    note: str | None = None
    extra: Leaf | None = None
    rings: tuple[int, ...] = ()
    branches: dict[str, Leaf] = field(default_factory=dict)
    paths: dict[str, tuple[float, ...]] = field(default_factory=dict)


SMALL: dict[str, Any] = {"name": "oak", "alive": True, "leaf": {"count": 3}}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "Expecting property name"),
        ("", "Expecting value"),
        (b"\xff", "can't decode byte 0xff"),
        ('{"a": NaN}', "NaN is not a finite number"),
        ("[-Infinity]", "-Infinity is not a finite number"),
        ("1e999", "1e999 is not a finite number"),
        ("[" * 100_000, "too deep in each other"),
        ('{"a":' * 100_000, "too deep in each other"),
        (r'["\ud83d"]', "half of a character"),
        (r'{"\uDE00": 1}', "half of a character"),
        ('"\udcff"', "half of a character"),
        ("9" * 5000, "4300 digits"),
    ],
)
def test_text_that_is_no_json_of_others(text: str | bytes, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_json(text)


def test_json_is_read_as_it_is() -> None:
    assert parse_json(r'\ufeff{"a": [1, 2.5, null, "\ud83d\ude00"]}'.replace(r"\ufeff", "\ufeff")) == {"a": [1, 2.5, None, "😀"]}
    assert parse_json('["ü"]'.encode()) == ["ü"]


def test_defaults() -> None:
    assert from_json(Tree, SMALL, "t") == Tree("oak", True, Leaf(3))


def test_every_kind() -> None:
    raw = SMALL | {
        "note": "tall",
        "extra": {"count": 1, "share": 0.25},
        "rings": [1, 2, 3],
        "branches": {"a": {"count": 4}},
        "paths": {"up": [0.5, 2]},
    }
    tree = from_json(Tree, raw, "t")
    assert tree == Tree("oak", True, Leaf(3), "tall", Leaf(1, 0.25), (1, 2, 3), {"a": Leaf(4)}, {"up": (0.5, 2.0)})
    assert isinstance(tree.paths["up"][1], float)


def test_null_where_it_may_be() -> None:
    assert from_json(Tree, SMALL | {"note": None, "extra": None}, "t") == Tree("oak", True, Leaf(3))


def test_whole_number_for_a_float() -> None:
    share = from_json(Leaf, {"count": 1, "share": 2}, "t").share
    assert share == 2.0
    assert isinstance(share, float)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": 3}, r"^t\.name: expected str, found int '3'"),
        ({"name": None}, r"^t\.name: expected str, found NoneType"),
        ({"alive": 1}, r"^t\.alive: expected bool, found int"),
        ({"alive": "yes"}, r"^t\.alive: expected bool, found str 'yes'"),
        ({"leaf": [3]}, r"^t\.leaf: expected dict, found list"),
        ({"leaf": None}, r"^t\.leaf: expected dict, found NoneType"),
        ({"leaf": {"count": 1.0}}, r"^t\.leaf\.count: expected int, found float"),
        ({"leaf": {"count": True}}, r"^t\.leaf\.count: expected int, found bool"),
        ({"leaf": {"count": 1, "share": True}}, r"^t\.leaf\.share: expected float, found bool"),
        ({"leaf": {"count": 1, "share": "0.5"}}, r"^t\.leaf\.share: expected float, found str"),
        ({"note": 5}, r"^t\.note: expected str, found int"),
        ({"extra": {"count": "1"}}, r"^t\.extra\.count: expected int, found str"),
        ({"rings": 3}, r"^t\.rings: expected list, found int"),
        ({"rings": [1, 2, "3"]}, r"^t\.rings\[2\]: expected int, found str"),
        ({"branches": [{"count": 1}]}, r"^t\.branches: expected dict, found list"),
        ({"branches": {"low": {"count": "x"}}}, r"^t\.branches\.low\.count: expected int, found str"),
        ({"paths": {"up": [0.5, None]}}, r"^t\.paths\.up\[1\]: expected float, found NoneType"),
    ],
)
def test_wrong_types(change: dict[str, Any], message: str) -> None:
    with pytest.raises(BundleError, match=message):
        from_json(Tree, SMALL | change, "t")


def test_root_of_the_wrong_type() -> None:
    with pytest.raises(BundleError, match=r"^t: expected dict, found list"):
        from_json(Tree, [], "t")


def test_long_values_are_shortened() -> None:
    with pytest.raises(BundleError) as caught:
        from_json(Leaf, {"count": "9" * 10_000}, "t")
    assert len(str(caught.value)) < 200


def test_unknown_key_suggests_the_nearest() -> None:
    with pytest.raises(BundleError, match=r"^t\.leaf: unknown key 'cuont'; did you mean 'count'\?"):
        from_json(Tree, SMALL | {"leaf": {"cuont": 3}}, "t")


def test_unknown_key_without_a_near_one_lists_all() -> None:
    with pytest.raises(BundleError, match=r"^t\.leaf: unknown key 'zzz'; known: count, share"):
        from_json(Tree, SMALL | {"leaf": {"count": 3, "zzz": 1}}, "t")


def test_missing_key() -> None:
    with pytest.raises(BundleError, match=r"^t\.branches\.low: the key 'count' is missing"):
        from_json(Tree, SMALL | {"branches": {"low": {"share": 0.1}}}, "t")


def test_number_too_large_for_a_float() -> None:
    with pytest.raises(BundleError, match=r"^t\.share: "):
        from_json(Leaf, {"count": 1, "share": 10**400}, "t")
