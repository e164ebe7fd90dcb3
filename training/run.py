"""A training run that can be stopped at any time: its clock, its learning rate, its checkpoint and its log. Knows no model."""

import json
import math
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from unmask.training.muon import Muon

WEIGHTS, STATE, LOG = "weights.safetensors", "last.pt", "log.jsonl"


def mixed(device: str) -> torch.autocast:
    """Products in bfloat16, where the device multiplies it: a third of float32's time there, and ten times on other CPUs."""
    kind = device.split(":")[0]
    has = kind != "cpu" or torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.autocast(kind, torch.bfloat16, enabled=has)


@dataclass(frozen=True)
class RunOptions:
    out: Path
    """Folder of the run: last.pt to resume from, log.jsonl with a line for each report, weights.safetensors (float16) to use."""
    minutes: float = 60.0
    """Total training time, with earlier runs. The learning rate falls over it."""
    until: float = math.inf
    """Stop after this many minutes, to resume later; the learning rate still falls over `minutes`."""
    start: Path | None = None
    """Begin with these weights (safetensors) instead of random ones. What is not in them is told, and begins at random."""
    peak: float = 1e-3
    warmup_steps: int = 100
    average: float = 0.998
    """Decay of the moving average of the parameters, which is released."""
    report_minutes: float = 5.0
    device: str = "cpu"
    threads: int = 1
    seed: int = 0


class Run:
    """Trains a model by losses that are given to it. Parameters that need no gradients are left as they are, and not saved."""

    def __init__(self, model: nn.Module, options: RunOptions, matrices: Sequence[nn.Parameter] = ()) -> None:
        """matrices: parameters that Muon trains (Jordan et al. 2024), which is worth twice the updates; AdamW trains the others.

        Raises SystemExit when the start's tensors have other shapes than the model's, or other names.
        """
        options.out.mkdir(parents=True, exist_ok=True)
        torch.set_num_threads(options.threads)
        self.model, self.options = model.to(options.device), options
        self._given = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
        if options.start:
            self._begin_with(load_file(options.start, device=options.device))
        self.averaged = {name: value.clone() for name, value in self._state().items()}
        theirs = {id(matrix) for matrix in matrices}
        others = [parameter for parameter in model.parameters() if parameter.requires_grad and id(parameter) not in theirs]
        self.optimizers: list[torch.optim.Optimizer] = [
            torch.optim.AdamW(others, lr=options.peak, betas=(0.9, 0.98), weight_decay=0.01, fused=True)
        ]
        if matrices:
            muon = Muon(matrices, lr=options.peak, weight_decay=0.01)
            self.optimizers.append(muon)
        self.step, self.elapsed, self.cpu = 0, 0.0, 0.0
        self._losses = defaultdict[str, list[float]](list)
        self._resume()

    def _begin_with(self, tensors: Mapping[str, Tensor]) -> None:
        own = self._state()
        known = own.keys() & tensors.keys()
        if strange := {name for name in known if tensors[name].shape != own[name].shape} or (set() if known else set(own)):
            raise SystemExit(f"{self.options.start}: {min(strange)} is not as this model has it; leave out --start")
        if new := sorted(own.keys() - known):
            print(f"{self.options.start} has no {', '.join(new)}: these begin as in a new model", flush=True)
        self._load({name: tensors[name].to(own[name].dtype) for name in known})

    def _state(self) -> dict[str, Tensor]:
        return {name: value.detach() for name, value in self.model.state_dict().items() if name not in self._given}

    def _load(self, state: Mapping[str, Tensor]) -> None:
        self.model.load_state_dict({**self.model.state_dict(), **state})

    def go(self, losses: Callable[[int], dict[str, Tensor]], score: Callable[[], dict[str, float]]) -> None:
        """Train until the time is over. losses: step -> parts of the loss, which are added. score: of the averaged model."""
        stop_s = 60 * min(self.options.minutes, self.options.until)
        reported = self.elapsed
        while self.elapsed < stop_s:
            self._update(losses)
            if self.elapsed - reported >= 60 * self.options.report_minutes:
                self.report(score)
                reported = self.elapsed
        self.report(score)

    def _update(self, losses: Callable[[int], dict[str, Tensor]]) -> None:
        began, worked, options = time.monotonic(), time.process_time(), self.options
        done = min(1.0, self.elapsed / (60 * options.minutes))
        share = min(1.0, (self.step + 1) / options.warmup_steps) * max(0.03, 0.5 + 0.5 * math.cos(math.pi * done))
        for group in (group for optimizer in self.optimizers for group in optimizer.param_groups):
            group["lr"] = options.peak * share
        parts = losses(self.step)
        self.model.zero_grad(set_to_none=True)
        sum(parts.values(), torch.zeros((), device=options.device)).backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        with mixed(options.device):  # of Muon's products
            for optimizer in self.optimizers:
                optimizer.step()
        decay = min(options.average, (1 + self.step) / (10 + self.step))
        learned = {name: value for name, value in self._state().items() if value.is_floating_point()}
        torch._foreach_lerp_([self.averaged[name] for name in learned], list(learned.values()), 1 - decay)
        for name, part in parts.items():
            self._losses[name].append(float(part.detach()))
        self.step += 1
        self.elapsed += time.monotonic() - began
        self.cpu += time.process_time() - worked

    def report(self, score: Callable[[], dict[str, float]]) -> None:
        """Measure the averaged parameters, write them, and append to the log."""
        current = {name: value.clone() for name, value in self._state().items()}
        self._load(self.averaged)
        self.model.eval()
        with torch.no_grad():
            scores = score()
        self._load(current)
        self.model.train()
        halved = {name: value.half() if value.is_floating_point() else value for name, value in self.averaged.items()}
        save_file({name: value.contiguous() for name, value in halved.items()}, self.options.out / WEIGHTS)
        means = {f"loss_{name}": round(sum(parts) / len(parts), 4) for name, parts in self._losses.items()}
        line = {
            "step": self.step,
            "minutes": round(self.elapsed / 60, 1),
            "cpu_minutes": round(self.cpu / 60, 1),
            **means,
            **scores,
        }
        print(json.dumps(line), flush=True)
        with open(self.options.out / LOG, "a", encoding="utf-8") as log:
            log.write(json.dumps(line) + "\n")
        self._losses.clear()
        self._save()

    def _save(self) -> None:
        part = self.options.out / f"{STATE}.part"
        state = {
            "model": self._state(),
            "averaged": self.averaged,
            "optimizers": [o.state_dict() for o in self.optimizers],
        }
        torch.save({**state, "step": self.step, "elapsed": self.elapsed, "cpu": self.cpu}, part)
        part.replace(self.options.out / STATE)

    def _resume(self) -> None:
        if not (self.options.out / STATE).exists():
            return
        saved = torch.load(self.options.out / STATE, weights_only=True, map_location=self.options.device)
        self._load(saved["model"])
        self.averaged = saved["averaged"]
        for optimizer, state in zip(self.optimizers, saved["optimizers"], strict=True):
            optimizer.load_state_dict(state)
        self.step, self.elapsed, self.cpu = saved["step"], saved["elapsed"], saved.get("cpu", 0.0)
