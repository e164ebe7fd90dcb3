"""What is made of a captioner for Rockchip's NPUs, around a stand-in of their compiler. tests/devices has the real one."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.tiny import fixed_graphs
from unmask.bundle.manifest import load_bundle
from unmask.engines.device_check import read_answers
from unmask.errors import InputError
from unmask.export.onnx.rknn import OPSET, check_toolkit, write_rknn

COPIES = 'case "$2" in -c) exit 0;; esac; cp "$3" "$4"'
WIDE = COPIES + '; echo "E RKNN: REGTASK: The bit width of field value exceeds the limit"'
FAILS = 'case "$2" in -c) exit 0;; esac; echo "E build: unsupported"; exit 1'


def toolkit(folder: Path, does: str) -> Path:
    """A program in place of the toolkit's Python, which gets -I, a program, a graph, what to make, and the chip."""
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{does}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.mark.slow
def test_each_graph_is_compiled_for_the_chip_and_has_answers(fp32_bundle: Path, tmp_path: Path) -> None:
    made = write_rknn(load_bundle(fp32_bundle), tmp_path / "made", fixed_graphs(), "rk3576", toolkit(tmp_path, COPIES))
    bundle = load_bundle(made)
    buckets = bundle.manifest.buckets
    assert [(bucket.engine, bucket.precision, bucket.chip) for bucket in buckets] == [("rknn", "fp16", "rk3576")] * 3
    assert [bucket.answers for bucket in buckets] == ["context-30016-answers.npz", "window-17-20-80-4-answers.npz", ""]
    for bucket in buckets:
        model = onnx.load(bundle.path(bucket.file))
        assert model.opset_import[0].version == OPSET
        assert not {node.op_type for node in model.graph.node} & {"Gelu", "Where"}
    feeds, answers = read_answers(bundle.path(buckets[0].answers))
    assert feeds["samples"].shape == (1, 30_016)
    assert np.isfinite(answers["cross_k"]).all()
    assert answers["draft"].dtype.kind == "i"


@pytest.mark.parametrize(
    ("does", "told"),
    [
        (FAILS, r"context-30016\.rknn: rknn-toolkit2 cannot compile it: E build: unsupported"),
        (WIDE, r"context-30016\.rknn: beyond what rk3588 computes: .*exceeds the limit; shorter graphs"),
        ("exit 1", "has no rknn-toolkit2; `make rknn-env` makes the environment"),
    ],
)
def test_what_the_toolkit_does_not_compile_is_told(fp32_bundle: Path, tmp_path: Path, does: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        write_rknn(load_bundle(fp32_bundle), tmp_path / "made", fixed_graphs()[:1], "rk3588", toolkit(tmp_path, does))
    assert not (tmp_path / "made").exists()


def test_no_toolkit_and_no_such_chip_are_told_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere: cannot be run \(No such file or directory\); `make rknn-env` makes"):
        check_toolkit(tmp_path / "nowhere", "rk3588")
    with pytest.raises(InputError, match=r"--soc rk3399: no chip for which this is made; choose rk3588, rk3576"):
        check_toolkit(tmp_path / "nowhere", "rk3399")
