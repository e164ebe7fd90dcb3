"""Let a half-trained captioner say where each token is, and train on with its own timeline.

    python -m unmask.training.realign --whisper WHISPER --cache CACHE --run RUN

The teacher's cross-attention gives times to about a tenth of a second, so a token between two slots lands in either. The
captioner has settled on one of them by its CTC loss; partly masked canvases should show tokens there. Writes
CACHE/centres.json, which `read_labels` prefers to the teacher's times.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cyclopts
import numpy as np
import torch
from numpy.typing import NDArray

from unmask.export.captioner import BLANK, Captioner
from unmask.training.prepare import VARIANTS, States
from unmask.training.timeline import Label, read_labels
from unmask.training.train import Train, load_averaged

PHASES = 2  # the slots are laid over the audio so many times, each shifted by a fraction of a slot
REACH_FRAMES = 16.0  # a token 0.3 s from its old place loses half a nat


@dataclass(frozen=True)
class Realign:
    whisper: Path
    cache: Path
    run: Path
    frames_per_slot: int = 8


def main(options: Annotated[Realign, cyclopts.Parameter(name="*")]) -> None:
    model = load_averaged(Train(options.whisper, options.cache, options.run, frames_per_slot=options.frames_per_slot))
    states = States(options.cache, VARIANTS[0].name, model.config.whisper.width)
    labels, centres, moved = read_labels(options.cache), {}, []
    for i, label in enumerate(labels):
        centre = best_centres(grid_scores(model, states[label.id], label), label.centre, options.frames_per_slot)
        moved.append(np.abs(centre - label.centre))
        centres[label.id] = centre.tolist()
        if i % 500 == 0:
            print(f"{i}/{len(labels)}, mean shift {np.concatenate(moved).mean():.1f} frames", flush=True)
    part = options.cache / "centres.part"
    part.write_text(json.dumps(centres), encoding="utf-8")
    part.replace(options.cache / "centres.json")


@torch.inference_mode()
def grid_scores(model: Captioner, states: NDArray[np.float16], label: Label) -> NDArray[np.float32]:
    """(N, F) log-odds of each token against blank on a grid of `PHASES` points a slot, all slots masked."""
    per = model.config.frames_per_slot
    slots = (len(states) - per) // per
    out = np.zeros((len(label.ids), slots * PHASES), dtype=np.float32)
    ids = torch.full((1, slots), model.config.mask)
    for phase in range(PHASES):
        start = phase * per // PHASES
        rows = torch.from_numpy(states[start : start + slots * per].astype(np.float32))[None]
        with torch.autocast("cpu", torch.bfloat16):
            logits = model.logits(model(ids, rows, torch.tensor([slots])))[0].float()
        out[:, phase::PHASES] = (logits[:, label.ids] - logits[:, BLANK, None]).T.numpy()
    return out


def best_centres(scores: NDArray[np.float32], old: NDArray[np.float64], frames_per_slot: int) -> NDArray[np.float64]:
    """Frames (N,), rising, that make the summed score highest; tokens keep a slot's distance where they fit so.

    scores: (N, F) on a grid of `PHASES` points a slot; old: the centres so far, from which tokens stray only for a reason.
    """
    tokens, points = scores.shape
    step = frames_per_slot / PHASES
    frames = np.arange(points) * step + frames_per_slot / 2
    gain = scores - 0.5 * ((frames - old[:, None]) / REACH_FRAMES) ** 2
    apart = PHASES if tokens * PHASES <= points else 1
    if tokens * apart > points:
        return old
    best, came = gain[0].astype(np.float64), np.zeros((tokens, points), dtype=np.int64)
    for i in range(1, tokens):
        so_far = np.maximum.accumulate(best)
        where = np.where(best == so_far, np.arange(points), 0)
        came[i, apart:] = np.maximum.accumulate(where)[: points - apart]
        best = np.full(points, -np.inf)
        best[apart:] = so_far[: points - apart] + gain[i, apart:]
    at = np.empty(tokens, dtype=np.int64)
    at[-1] = int(best.argmax())
    for i in range(tokens - 1, 0, -1):
        at[i - 1] = came[i, at[i]]
    return frames[at]


if __name__ == "__main__":
    cyclopts.run(main)
