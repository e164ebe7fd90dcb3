"""The table of omni-tiny's arrows, on the bundle that ships."""

import pytest

from benchmarks.lab.omni.arrows import main
from tests.benchmarks.lab.programs import Program, program
from unmask.apps.cli.options import SHIPPED_OMNI

__all__ = ["program"]
SKETCHES = ("sketch and text to picture", "sketch and colors to picture")


@pytest.mark.slow
def test_every_arrow_has_its_ways_and_what_is_right(program: Program) -> None:
    told = program(main, SHIPPED_OMNI, "--scenes", "10", "--passes", "1", "--passes", "8")
    assert (told.code, told.err) == (0, "")
    rows = [[cell.strip() for cell in line.strip("| ").split("|")] for line in told.out.splitlines() if line.startswith("| ")][1:]
    right = {(arrow, way): float(share.split()[0]) for arrow, _, way, share, *_ in rows}
    for arrow in ("text to picture", "text without places", "picture to text", "question to answer", "edit", *SKETCHES):
        assert {way for name, way in right if name == arrow} >= {"default", "1 passes", "8 passes"}
    assert right["text to picture", "default"] > 80
    assert min(right[arrow, "default"] for arrow in SKETCHES) > 70
    assert right["text to picture", "token by token"] < right["text to picture", "default"]
    assert right["text without places", "8 passes"] > right["text without places", "1 passes"]
    assert min(share for (arrow, _), share in right.items() if arrow == "retrieval") > 80
