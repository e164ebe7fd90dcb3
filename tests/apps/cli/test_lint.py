"""`unmask lint`: findings on stdout, a line each, and exit code 1."""

import json
from pathlib import Path

from tests.apps.conftest import Command
from unmask.quant.operators import RULES


def test_findings_are_named(command: Command, fp32_bundle: Path) -> None:
    told = command("lint", fp32_bundle, "--for", "qnn")
    assert told.code == 1
    assert "window.onnx: rows (input): a dynamic axis: rows x 32" in told.out.splitlines()
    assert RULES["qnn"].source in told.err
    assert "Assumed" in told.err
    listed = json.loads(command("lint", fp32_bundle, "--for", "qnn", "--json").out)
    assert len(listed) == len(told.out.splitlines())
    assert {"graph", "node", "kind", "reason"} == set(listed[0])


def test_an_unknown_provider(command: Command, fp32_bundle: Path) -> None:
    assert command("lint", fp32_bundle, "--for", "abacus").code == 2
