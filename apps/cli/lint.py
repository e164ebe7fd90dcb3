"""`unmask lint`: what of a bundle's ONNX graphs an NPU provider would leave to the CPU, by its published tables."""

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from unmask.bundle.manifest import load_bundle

FOUND = 1


@Parameter(name="*")
@dataclass(frozen=True)
class LintOptions:
    """Options of `unmask lint`."""

    provider: Annotated[Literal["qnn", "vitisai", "openvino"], Parameter(name=("--for", "--provider"))] = "qnn"
    """Whose tables are read."""
    json: Annotated[bool, Parameter(negative="")] = False
    """Print the findings as a JSON list."""


def lint(bundle: Path, /, *, options: LintOptions = LintOptions()) -> int:
    """Name each node that a provider does not take: dynamic axes, operators, wide types, weights that are no constants.

    A line a finding on stdout; the exit code is 1 when there are any. On a machine with the provider,
    `unmask devices BUNDLE` asks the provider itself.

    Parameters
    ----------
    bundle
        Folder of a bundle with ONNX graphs, best of fixed sizes (`unmask quantize BUNDLE --target onnx-static`).
    """
    from unmask.quant.lint import lint_bundle
    from unmask.quant.operators import RULES

    rules = RULES[options.provider]
    found = lint_bundle(load_bundle(bundle), rules)
    if options.json:
        print(json.dumps([asdict(one) for one in found], indent=1, ensure_ascii=False))
    else:
        for one in found:
            print(one)
        print(f"{len(found)} findings for {options.provider}. Source: {rules.source}.", file=sys.stderr)
        print(f"Assumed to be taken, though not listed there: {', '.join(sorted(rules.assumed))}.", file=sys.stderr)
    return FOUND if found else 0
