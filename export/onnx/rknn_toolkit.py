"""Compile one ONNX graph for the NPU of a Rockchip chip. Runs in the environment of rknn-toolkit2, which ours cannot share:

    .cache/rknn/bin/python -I export/onnx/rknn_toolkit.py GRAPH.onnx MADE.rknn rk3588

Knows the toolkit (2.5.0) and its faults. Imports nothing else.
"""

import sys
from typing import Any

FAULTY_RULES = [
    "fuse_mul_into_matmul",  # of rotary positions: "operands could not be broadcast together"
    "swap_reshape_transpose_v2",  # with another it moves a Where and a Transpose past one another without an end
]


def build(graph: str, chip: str) -> Any:
    """A graph compiled in float16, which can be exported, and run in the toolkit's simulator. Exits with a line on a failure."""
    from rknn.api import RKNN

    toolkit = RKNN(verbose=False)
    toolkit.config(target_platform=chip, disable_rules=FAULTY_RULES)
    for step, failed in (("read", toolkit.load_onnx(graph)), ("compile", toolkit.build(do_quantization=False))):
        if failed:
            sys.exit(f"rknn-toolkit2 cannot {step} {graph}")
    return toolkit


if __name__ == "__main__":
    if build(sys.argv[1], sys.argv[3]).export_rknn(sys.argv[2]):
        sys.exit(f"rknn-toolkit2 cannot write {sys.argv[2]}")
