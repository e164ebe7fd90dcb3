"""A tiny run learns, stops, goes on where it was, and never trains on what it is judged by."""

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from unmask.benchmarks.measure.word_errors import word_error_rate
from unmask.export.modules.captioner import BLANK, CaptionerModel
from unmask.training.augment import Augment
from unmask.training.captions.loss import losses
from unmask.training.captions.timeline import Masking, Sample, batches, read_labels
from unmask.training.captions.train import PROMPT, Run, Train, load_averaged, main
from unmask.training.captions.whisper_weights import load_whisper

WORDS = ["dad", "bed", "cab", "ace", "face", "bead"]
TEXTS = [f"{a} {b}" for a in WORDS for b in WORDS]
WRITTEN = ["Dad, a cab.", "A bead?", "Face Ace!"]
HELD_OUT, HELD_OUT_WRITTEN = 6, 2
PLAIN = Masking(crop=0, augment=Augment(speed_share=0, noise_share=0, room_share=0, gain_db=(0, 0), hide_share=0))
Cache = Callable[..., Path]


@pytest.fixture
def options(write_cache: Cache, whisper_folder: Path, tmp_path: Path) -> Train:
    return Train(
        whisper=whisper_folder,
        cache=write_cache(TEXTS, WRITTEN),
        out=tmp_path / "run",
        minutes=60.0,
        frames_per_batch=2500,
        peak=1e-2,
        peak_encoder=8e-3,
        peak_verifier=6e-3,
        masking=PLAIN,
        warmup_steps=5,
        average=0.9,
        held_out=HELD_OUT,
        held_out_written=HELD_OUT_WRITTEN,
    )


def start(options: Train) -> Run:
    options.out.mkdir(exist_ok=True)
    run = Run(options)
    run.resume()
    return run


def epoch(run: Run, seed: int, count: int = 10**6) -> list[list[Sample]]:
    rng = np.random.default_rng(seed)
    groups = [group for group, _ in zip(batches(run.labels, run.options.frames_per_batch, rng), range(count), strict=False)]
    return [[s for s in (run.timeline.sample(label, rng) for label in group) if s is not None] for group in groups]


def learn(run: Run, updates: int) -> None:
    goal, seed = run.step + updates, 0
    while run.step < goal:
        seed += 1
        for samples in epoch(run, seed, goal - run.step):
            run.update(samples)


def log(options: Train) -> list[dict[str, float]]:
    return [json.loads(line) for line in (options.out / "log.jsonl").read_text(encoding="utf-8").splitlines()]


# ---- learning


def test_a_run_begins_between_whisper_and_an_earlier_run(options: Train, tmp_path: Path) -> None:
    fresh = {name: p.detach().clone() for name, p in start(options).model.named_parameters()}
    earlier = start(options)
    learn(earlier, 3)
    earlier.report()
    between = Run(replace(options, out=tmp_path / "second", start=options.out, start_encoder=0.25, start_verifier=0.0))
    for name, p in between.model.named_parameters():
        share = {"encoder": 0.25, "verifier": 0.0}.get(name.split(".")[0], 1.0)
        expected = (1 - share) * fresh[name] + share * earlier.averaged[name]
        assert torch.allclose(p, expected, atol=1e-6), name
    assert not torch.allclose(fresh["encoder.positions"], earlier.averaged["encoder.positions"])


@pytest.mark.slow
def test_updates_lower_the_losses_and_the_held_out_errors(options: Train) -> None:
    run = start(options)
    run.update(epoch(run, 0, 1)[0])
    run.report()
    learn(run, 90)
    (first_loss, first_verifier), last_loss, last_verifier = run.losses[0], *np.mean(run.losses[-10:], 0)
    assert last_loss < 0.2 * first_loss
    assert last_verifier < 0.4 * first_verifier
    run.report()
    first, last = log(options)
    assert (first["step"], last["step"]) == (1, 91)
    for name in ("wer_0", "wer_1.5"):
        assert last[name] < 0.6 < first[name]


def test_every_part_learns(options: Train) -> None:
    run = start(options)
    before = copy.deepcopy(run.model.state_dict())
    learn(run, 2)
    same = {name for name, value in run.model.state_dict().items() if torch.equal(value, before[name])}
    assert same == {"nearness"}
    assert {name.split(".")[0] for name in run.averaged} >= {
        "encoder",
        "verifier",
        "positions",
        "blocks",
        "slot_map",
    }


def test_run_starts_from_whisper(options: Train) -> None:
    run, whisper = start(options), load_whisper(options.whisper)
    for part, own in ((run.model.encoder, whisper.encoder), (run.model.verifier.blocks, whisper.decoder.blocks)):
        for name, value in own.state_dict().items():
            assert torch.equal(part.state_dict()[name], value)
    source = Tokenizer.from_file(str(options.whisper / "tokenizer.json"))
    theirs = whisper.decoder.embedding.weight
    for ours, token in ((run.tokenizer.token_to_id("q"), "q"), (BLANK, "<|endoftext|>")):
        assert torch.equal(run.model.embedding.weight[ours], theirs[source.token_to_id(token)])
    prompt = [source.token_to_id(token) for token in PROMPT]
    assert torch.equal(run.model.embedding.weight[list(run.config.prompt_ids)], theirs[prompt])


def test_run_may_start_from_the_average_of_another(options: Train) -> None:
    earlier = start(options)
    learn(earlier, 2)
    earlier.report()
    later = start(replace(options, out=options.out.with_name("later"), start=options.out))
    assert later.step == 0
    for name, p in later.model.named_parameters():
        assert torch.equal(p, earlier.averaged[name])
        assert torch.equal(later.averaged[name], p)
    assert any(not torch.equal(p, earlier.averaged[name]) for name, p in earlier.model.named_parameters())


@torch.no_grad()
def test_padding_does_not_change_the_losses(options: Train) -> None:
    """Each loss is a mean over rows: a batch of two lengths weighs its rows as the two alone would."""
    run = start(options)
    run.model.eval()
    samples = sorted((s for group in epoch(run, 0) for s in group), key=lambda s: len(s.target))
    for short, long in zip(samples[:4], samples[-4:], strict=True):
        assert len(short.target) < len(long.target)
        both, one, two = (losses(run.model, batch, options.weights) for batch in ([short, long], [short], [long]))
        for name, rows in (
            ("timeline", [s.masked.sum() for s in (short, long)]),
            ("verifier", [len(s.after) for s in (short, long)]),
        ):
            mean = np.average([float(getattr(each, name)) for each in (one, two)], weights=rows)
            assert float(getattr(both, name)) == pytest.approx(mean, rel=0.01)


# ---- stopping and going on


def test_resumed_run_is_the_same_run(options: Train) -> None:
    run = start(options)
    learn(run, 4)
    run.report()
    resumed = start(options)
    assert (resumed.step, resumed.elapsed) == (4, run.elapsed)
    assert resumed.elapsed > 0
    samples = epoch(run, 9, 1)[0]
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


def test_learning_rates_warm_up_and_fall_with_time(options: Train) -> None:
    run = start(replace(options, minutes=1.0, warmup_steps=2))
    owner = {p: name.split(".")[0] for name, p in run.model.named_parameters()}
    peaks = {"encoder": options.peak_encoder, "verifier": options.peak_verifier}
    samples, rates = epoch(run, 0, 1)[0][:2], dict[str, list[float]]()
    for elapsed in (0.0, 0.0, 30.0, 54.0, 60.0):
        run.elapsed = elapsed
        run.update(samples)
        now = {owner[p]: group["lr"] for group in run.optimizer.param_groups for p in group["params"]}
        for part, rate in now.items():
            rates.setdefault(part, []).append(rate / peaks.get(part, options.peak))
    assert rates.keys() == set(owner.values())
    for part in rates:
        assert rates[part] == pytest.approx([0.5, 1.0, 0.5, 0.0245, 0.02], abs=1e-4)


def test_what_ships_is_the_average(options: Train) -> None:
    run = start(options)
    learn(run, 3)
    run.report()
    shipped: CaptionerModel = load_averaged(options)
    state = shipped.state_dict()
    assert all(torch.equal(state[name], value) for name, value in run.averaged.items())
    assert any(not torch.equal(value, run.model.state_dict()[name]) for name, value in run.averaged.items())


def test_main_stops_at_its_time_and_goes_on_when_given_more(options: Train) -> None:
    main(replace(options, minutes=1.0, until=0.4 / 60, report_steps=3))
    rows = log(options)
    stopped = rows[-1]["step"]
    assert 0.4 <= start(options).elapsed < 60  # of the minute that its plan has
    main(replace(options, minutes=0.8 / 60, report_steps=3))
    assert log(options)[: len(rows)] == rows
    assert log(options)[-1]["step"] > stopped
    assert start(options).elapsed >= 0.8


def test_every_report_is_new_and_finite(options: Train) -> None:
    """With a report after each update the last one is not written twice, and a finished run has nothing to add."""
    short = replace(options, minutes=0.15 / 60, report_steps=1)
    main(short)
    main(short)
    rows = log(options)
    assert [row["step"] for row in rows] == list(range(1, len(rows) + 1))
    assert all(np.isfinite([row["loss"], row["verifier_loss"]]).all() for row in rows)


# ---- held out


def test_held_out_recordings_are_in_no_batch(options: Train) -> None:
    run = start(options)
    learn(run, 1)
    run.report()
    every = {label.id for label in read_labels(options.cache, run.tokenizer)}
    assert every == {f"u{i}" for i in range(len(TEXTS))} | {f"lj-{i}" for i in range(len(WRITTEN))}
    for each in (run, start(replace(options, seed=5))):
        held = {label.id for label in each.held}
        trained = {
            label.id for seed in range(3) for group in batches(each.labels, 500, np.random.default_rng(seed)) for label in group
        }
        assert len(held) == HELD_OUT
        assert all(label.center is not None for label in each.held)
        assert not held & trained
        written = {"lj-0", "lj-1"}  # kept back to measure case and punctuation
        assert trained == (every - held - written) | {"hiss-0"}
        assert held == {label.id for label in run.held}  # the same whenever the run goes on


def test_word_errors_do_not_see_case_and_marks() -> None:
    assert word_error_rate(["Hello, World!", "A cat."], ["hello world", "a cat"]) == 0
    assert word_error_rate(["Hello, World!", "The cat sat."], ["hello word", "the cat"]) == pytest.approx(2 / 5)
