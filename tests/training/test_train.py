"""A tiny run learns, stops, goes on where it was, and never trains on what it is judged by."""

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from unmask.export.captioner import BLANK, Captioner
from unmask.export.whisper import load_whisper
from unmask.training.timeline import Sample, batches, read_labels
from unmask.training.train import Run, Train, load_averaged, main

WORDS = ["dad", "bed", "cab", "ace", "face", "bead", "fade", "deaf"]
TEXTS = [f"{a} {b}" for a in WORDS for b in WORDS][:40]
HELD_OUT = 6
Cache = Callable[..., Path]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """So small a model is slower on two threads, far slower on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def options(write_cache: Cache, whisper_folder: Path, tmp_path: Path) -> Train:
    return Train(
        whisper=whisper_folder,
        cache=write_cache(TEXTS, {"clean": 1.0, "slow": 0.9}),
        out=tmp_path / "run",
        minutes=60.0,
        frames_per_batch=4000,
        peak=1e-2,
        warmup_steps=5,
        average=0.9,
        held_out=HELD_OUT,
    )


def start(options: Train) -> Run:
    options.out.mkdir(exist_ok=True)
    run = Run(options)
    run.resume()
    return run


def epoch(run: Run, seed: int) -> list[list[Sample]]:
    rng = np.random.default_rng(seed)
    groups = batches(run.labels, run.options.frames_per_batch, rng)
    return [[s for s in (run.timeline.sample(label, rng) for label in group) if s is not None] for group in groups]


def learn(run: Run, updates: int) -> None:
    goal, seed = run.step + updates, 0
    while run.step < goal:
        seed += 1
        for samples in epoch(run, seed)[: goal - run.step]:
            run.update(samples)


def log(options: Train) -> list[dict[str, float]]:
    return [json.loads(line) for line in (options.out / "log.jsonl").read_text(encoding="utf-8").splitlines()]


# ---- learning


def test_updates_lower_the_loss_and_the_held_out_errors(options: Train) -> None:
    run = start(options)
    run.update(epoch(run, 0)[0])
    run.report()
    learn(run, 70)
    assert np.mean(run.losses[-5:]) < 0.2 * run.losses[0]
    run.report()
    first, last = log(options)
    assert (first["step"], last["step"]) == (1, 71)
    assert last["held_out_wer"] < 0.6 < first["held_out_wer"]


def test_only_the_decoder_learns(options: Train) -> None:
    run = start(options)
    before = copy.deepcopy(run.model.state_dict())
    learn(run, 2)
    same = {name for name, value in run.model.state_dict().items() if torch.equal(value, before[name])}
    frozen = {name for name in before if name.startswith("encoder.")} | {"nearness"}
    assert same >= frozen
    unused = {name for name in same - frozen if before[name].ndim > 1}  # each matrix of the decoder moves
    assert unused == set()
    assert not frozen & run.averaged.keys()


def test_run_starts_from_whisper(options: Train) -> None:
    run, whisper = start(options), load_whisper(options.whisper)
    for name, value in whisper.encoder.state_dict().items():
        assert torch.equal(run.model.encoder.state_dict()[name], value)
    source = Tokenizer.from_file(str(options.whisper / "tokenizer.json"))
    for ours, theirs in ((run.tokenizer.token_to_id("q"), "q"), (BLANK, "<|endoftext|>")):
        assert torch.equal(run.model.embedding.weight[ours], whisper.decoder.embedding.weight[source.token_to_id(theirs)])


@torch.no_grad()
def test_padding_does_not_change_the_loss(options: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loss is a mean over masked rows: a batch of two lengths weighs its rows as the two alone would."""
    monkeypatch.setattr(torch.nn.functional, "dropout", lambda x, p: x)
    run = start(options)
    samples = sorted((s for group in epoch(run, 0) for s in group), key=lambda s: len(s.target))
    for short, long in zip(samples[:4], samples[-4:], strict=True):
        assert len(short.target) < len(long.target)
        both, one, two = (float(run.loss(batch)) for batch in ([short, long], [short], [long]))
        assert both == pytest.approx(np.average([one, two], weights=[short.masked.sum(), long.masked.sum()]), rel=0.01)


# ---- stopping and going on


def test_resumed_run_is_the_same_run(options: Train) -> None:
    run = start(options)
    learn(run, 4)
    run.report()
    resumed = start(options)
    assert (resumed.step, resumed.elapsed) == (4, run.elapsed)
    assert resumed.elapsed > 0
    samples = epoch(run, 9)[0]
    for each in (run, resumed):
        torch.manual_seed(1)
        each.elapsed = 1.0  # the learning rate follows it, and wall time differs
        each.update(samples)
        assert each.step == 5
    for one, two in ((run.model.state_dict(), resumed.model.state_dict()), (run.averaged, resumed.averaged)):
        assert one.keys() == two.keys()
        assert all(torch.equal(one[name], two[name]) for name in one)


def test_stopping_while_saving_keeps_the_last_checkpoint(options: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    run = start(options)
    learn(run, 1)
    run.report()

    def cut_short(_: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "no space left")

    monkeypatch.setattr(torch, "save", cut_short)
    learn(run, 1)
    with pytest.raises(OSError, match="no space"):
        run.report()
    assert start(options).step == 1


def test_learning_rate_warms_up_and_falls_with_time(options: Train) -> None:
    run = start(replace(options, minutes=1.0, warmup_steps=2))
    samples, rates = epoch(run, 0)[0][:2], []
    for elapsed in (0.0, 0.0, 30.0, 54.0, 60.0):
        run.elapsed = elapsed
        run.update(samples)
        rates.append(run.optimizer.param_groups[0]["lr"] / options.peak)
    assert rates == pytest.approx([0.5, 1.0, 0.5, 0.0245, 0.02], abs=1e-4)


def test_what_ships_is_the_average(options: Train) -> None:
    run = start(options)
    learn(run, 3)
    run.report()
    shipped: Captioner = load_averaged(options)
    state = shipped.state_dict()
    assert all(torch.equal(state[name], value) for name, value in run.averaged.items())
    assert any(not torch.equal(value, run.model.state_dict()[name]) for name, value in run.averaged.items())


def test_main_stops_at_its_time_and_goes_on_when_given_more(options: Train) -> None:
    main(replace(options, minutes=0.5 / 60, report_steps=3))
    rows = log(options)
    stopped = rows[-1]["step"]
    assert start(options).elapsed >= 0.5
    main(replace(options, minutes=0.9 / 60, report_steps=3))
    assert log(options)[: len(rows)] == rows
    assert log(options)[-1]["step"] > stopped
    assert start(options).elapsed >= 0.9


def test_every_report_is_new_and_finite(options: Train) -> None:
    """With a report after each update the last one is not written twice, and a finished run has nothing to add."""
    short = replace(options, minutes=0.3 / 60, report_steps=1)
    main(short)
    main(short)
    rows = log(options)
    assert [row["step"] for row in rows] == list(range(1, len(rows) + 1))
    assert all(np.isfinite(row["loss"]) for row in rows)


# ---- held out


def test_held_out_utterances_are_in_no_batch(options: Train) -> None:
    run = start(options)
    learn(run, 1)
    run.report()
    every = {label.id for label in read_labels(options.cache)}
    for each in (run, start(replace(options, seed=5))):
        held = {label.id for label in each.held}
        trained = {
            label.id for seed in range(3) for group in batches(each.labels, 500, np.random.default_rng(seed)) for label in group
        }
        assert len(held) == HELD_OUT
        assert not held & trained
        assert held | trained == every
        assert held == {label.id for label in run.held}  # the same whenever the run goes on
