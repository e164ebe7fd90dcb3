"""What optimum's exports of a decoder-only checkpoint give and lack for masked diffusion, by trial.

    make optimum-env
    python -m benchmarks.lab.optimum.backbone

A tiny checkpoint of Tiny-A2D's form with random weights (Qwen3's layers, full attention) is exported by `optimum-cli`, which
takes it only under Qwen3's own name, by optimum with the causal mask taken away (`unmasked.py`), and by `unmask export`. Each
graph answers the same canvas, half of it masks; the checkpoint itself, in PyTorch with full attention, says what is right.
"""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray

from benchmarks.lab.peers.peers import OPTIMUM_PYTHON
from benchmarks.lab.program import run
from unmask.benchmarks.report.tables import Table, number
from unmask.benchmarks.scenarios.checkpoints import write_checkpoint
from unmask.bundle.manifest import load_bundle
from unmask.engines.engine import Engine
from unmask.errors import InputError
from unmask.export.graphs import reload_backbone
from unmask.export.onnx.backbone import write_backbone

LENGTH, BLOCK = 32, 8
LETTERS = 250  # ids below are text, none of them the mask
HEAD = (
    "graph",
    "reads",
    "logits err by",
    "masks with the right best id",
    f"{BLOCK} rows over kept ones err by",
    f"numbers that leave the graphs for {BLOCK} rows",
)
Ids = NDArray[np.int64]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Way:
    """A graph as a function. ids (N,) of the canvas, rows (R,) to compute, over the keys and values of all other rows if there is
    a cache -> their logits (R, V), and how many numbers leave the graphs for it."""

    name: str
    read: Callable[[Ids, Ids], tuple[Floats, int]]
    cached: bool = True


def main() -> None:
    if not OPTIMUM_PYTHON.is_file():
        raise InputError(f"{OPTIMUM_PYTHON}: not there; make optimum-env")
    with tempfile.TemporaryDirectory() as folder:
        found, refusal = ways(Path(folder))
        truth = full_attention(Path(folder) / "a2d")
        ids = np.random.default_rng(0).integers(0, LETTERS, LENGTH)
        ids[LENGTH // 2 :] = load_bundle(Path(folder) / "a2d.bundle").manifest.vocabulary.mask_id
        rows = tuple(answers(way, ids, truth) for way in found)
    print(f"optimum-cli on the checkpoint as it is: {refusal}\n\n{Table(HEAD, rows).to_markdown()}")


def ways(folder: Path) -> tuple[list[Way], str]:
    """Every graph, made in `folder`, and what optimum-cli says to the checkpoint as it is."""
    write_checkpoint(folder / "a2d", "a2d")
    write_backbone(folder / "a2d", folder / "a2d.bundle")
    said = exported(folder / "a2d", folder / "refused", "text-generation")
    refusal = next((line for line in reversed(said.splitlines()) if "Error: " in line), "taken")
    shutil.copytree(folder / "a2d", folder / "qwen3")
    config = json.loads((folder / "qwen3/config.json").read_text(encoding="utf-8"))
    renamed = config | {"model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"]}
    (folder / "qwen3/config.json").write_text(json.dumps(renamed), encoding="utf-8")
    found = []
    for task, cached in (("text-generation", False), ("text-generation-with-past", True)):
        exported(folder / "qwen3", folder / task, task)
        found.append(Way(f"optimum-cli, {task}", reader(folder / task), cached))
    ask([str(OPTIMUM_PYTHON), "-P", str(Path(__file__).with_name("unmasked.py")), *map(str, (folder / "qwen3", folder / "full"))])
    found += [Way("optimum with the mask taken away", reader(folder / "full")), Way("unmask export", ours(folder / "a2d"))]
    return found, refusal


def exported(checkpoint: Path, out: Path, task: str) -> str:
    cli = OPTIMUM_PYTHON.with_name("optimum-cli")
    return ask([str(cli), "export", "onnx", "--model", str(checkpoint), "--task", task, str(out)])


def ask(command: list[str]) -> str:
    """What a program says on stderr, offline."""
    done = subprocess.run(command, env={**os.environ, "HF_HUB_OFFLINE": "1"}, capture_output=True, text=True, check=False)
    return done.stderr


def full_attention(checkpoint: Path) -> Callable[[Ids], Floats]:
    backbone, head = reload_backbone(checkpoint)

    @torch.inference_mode()
    def logits(ids: Ids) -> Floats:
        found: Floats = (backbone(head[torch.from_numpy(ids)]) @ head.T).numpy()  # the head is tied to the embedding
        return found

    return logits


def reader(folder: Path) -> Callable[[Ids, Ids], tuple[Floats, int]]:
    """Optimum's graph: the other rows enter as past keys and values, which a pass over all rows gave; positions are an input."""
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"))
    kept = {i.name: i.shape for i in session.get_inputs() if i.name.startswith("past_key_values")}
    outputs = [o.name for o in session.get_outputs()]

    def call(ids: Ids, rows: Ids, past: dict[str, Floats]) -> dict[str, Floats]:
        seen = len(rows) + (next(iter(past.values())).shape[2] if past else 0)
        feeds = {"input_ids": ids[rows][None], "position_ids": rows[None], "attention_mask": np.ones((1, seen), np.int64)}
        return dict(zip(outputs, session.run(outputs, feeds | past), strict=True))

    def read(ids: Ids, rows: Ids) -> tuple[Floats, int]:
        past = {name: np.zeros((1, shape[1], 0, shape[3]), np.float32) for name, shape in kept.items()}
        if kept and len(rows) < len(ids):
            whole = call(ids, np.arange(len(ids)), past)
            others = np.setdiff1d(np.arange(len(ids)), rows)
            past = {name: whole[name.replace("past_key_values", "present")][:, :, others] for name in kept}
        made = call(ids, rows, past)
        return made["logits"][0], sum(value.size for value in made.values())

    return read


def ours(checkpoint: Path) -> Callable[[Ids, Ids], tuple[Floats, int]]:
    """The bundle's window graph over kept rows, and its head, which gives reductions: logits are of the checkpoint's own head."""
    engine, (_, head) = Engine(load_bundle(checkpoint.with_suffix(".bundle"))), reload_backbone(checkpoint)
    layers, heads, _, width = engine.inputs("window")["cache_k"]

    def call(ids: Ids, rows: Ids, k: Floats, v: Floats) -> dict[str, Floats]:
        wanted = np.arange(len(rows))
        feeds = {"rows": engine.embed(ids[rows]), "positions": rows, "wanted": wanted, "cache_k": k, "cache_v": v}
        return dict(engine.run("window", feeds))

    def read(ids: Ids, rows: Ids) -> tuple[Floats, int]:
        k = v = np.zeros((layers, heads, len(ids), width), np.float32)
        if len(rows) < len(ids):
            whole = call(ids, np.arange(len(ids)), k, v)
            k, v = whole["k"], whole["v"]
        made = call(ids, rows, k, v)
        bias, scale = np.zeros((1, len(head)), np.float32), np.ones(1, np.float32)
        best = engine.run("head", {"hidden": made["hidden"], "bias": bias, "scale": scale})
        logits: Floats = made["hidden"] @ head.detach().numpy().T
        return logits, sum(value.size for value in (*made.values(), *best.values()))

    return read


def answers(way: Way, ids: Ids, truth: Callable[[Ids], Floats]) -> tuple[str, ...]:
    """A row of the table. Which rows a graph reads shows when the last id is another: do the logits of earlier rows change?"""
    every, right = np.arange(len(ids)), truth(ids)
    logits, whole_count = way.read(ids, every)
    other = ids.copy()
    other[-1] = 0
    change = float(np.abs(way.read(other, every)[0][:-1] - logits[:-1]).max())
    masked = every[len(ids) // 2 :]
    same = int((logits[masked, :LETTERS].argmax(-1) == right[masked, :LETTERS].argmax(-1)).sum())
    error, part, count = number(float(np.abs(logits - right).max()), 2), "has no cache", whole_count
    if way.cached:
        made, count = way.read(ids, masked[:BLOCK])
        part = number(float(np.abs(made - right[masked[:BLOCK]]).max()), 2)
    return way.name, "all rows" if change > 1e-3 else "rows before only", error, f"{same} of {len(masked)}", part, str(count)


if __name__ == "__main__":
    run(main)
