"""A training run goes on where it stopped, and begins with the weights that it is given."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from unmask.training.run import Run, RunOptions


def line(folder: Path, minutes: float, muon: bool = False, **more: object) -> Run:
    torch.manual_seed(0)
    model = nn.Linear(3, 2)
    options = RunOptions(out=folder, minutes=minutes, peak=0.05, warmup_steps=1, average=0.5, report_minutes=1e9, **more)
    run = Run(model, options, [model.weight] if muon else ())
    inputs = torch.eye(3)
    wanted = torch.tensor([[1.0, 0], [0, 1], [1, 1]])
    run.go(lambda step: {"square": (model(inputs) - wanted).square().mean()}, lambda: {"bias": float(model.bias.sum())})
    return run


@pytest.mark.parametrize("muon", [False, True])
def test_a_run_learns_and_goes_on(tmp_path: Path, muon: bool) -> None:
    first = line(tmp_path, 0.005, muon)
    second = line(tmp_path, 0.01, muon)
    assert second.step > first.step
    log = [json.loads(text) for text in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in log] == [first.step, second.step]
    assert log[1]["loss_square"] < log[0]["loss_square"]
    weights = load_file(tmp_path / "weights.safetensors")
    assert weights["weight"].dtype == torch.float16
    assert torch.allclose(weights["weight"].float(), second.averaged["weight"], atol=1e-3)
    assert log[1]["bias"] == pytest.approx(float(second.averaged["bias"].sum()))


def test_start(tmp_path: Path) -> None:
    save_file({"weight": torch.full((2, 3), 7.0), "bias": torch.ones(2)}, tmp_path / "given.safetensors")
    run = line(tmp_path / "run", 0.0, start=tmp_path / "given.safetensors")
    assert (run.model.weight == 7).all()
    save_file({"weight": torch.ones(3, 3), "bias": torch.ones(2)}, tmp_path / "other.safetensors")
    with pytest.raises(SystemExit, match="weight is not as this model has it"):
        line(tmp_path / "new", 0.0, start=tmp_path / "other.safetensors")
