"""The recipe of the drafter: what is prepared is the model's own, and training teaches drafts of it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import MoonshineForConditionalGeneration

from unmask.export.checkpoint.pieces import moonshine_tokenizer
from unmask.export.modules.drafter import LETTERS, STATES_PER_SLOT, Drafter
from unmask.export.modules.moonshine import END, START
from unmask.export.moonshine_weights import load_drafter, load_moonshine
from unmask.training.drafting.batches import Stacker, draftable, read_shard, slots_of
from unmask.training.drafting.prepare import Heard, Prepare
from unmask.training.drafting.prepare import main as prepare
from unmask.training.drafting.train import Lessons, TrainDrafter, extended, wrong_share
from unmask.training.drafting.train import main as train
from unmask.training.recordings import Recordings


@pytest.fixture(scope="module")
def cache(moonshine: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    prepare(Prepare(data, moonshine, folder, corpora=("tones",), versions=2, shard=8))
    return folder


def test_what_is_prepared_is_what_transformers_hears_and_writes(moonshine: Path, cache: Path) -> None:
    theirs, recordings = MoonshineForConditionalGeneration.from_pretrained(moonshine).eval(), Recordings(cache / "audio")
    texts: dict[int, set[tuple[int, ...]]] = {}
    for path in sorted(cache.glob("0-*.npz")):
        for heard in read_shard(path):
            texts.setdefault(len(heard.states), set()).add(tuple(heard.ids.tolist()))
            assert heard.ids[0] == START
            assert heard.ids[-1] == END
            assert len(heard.places) == len(heard.ids) - 1
            assert (heard.places >= 0).all()
            assert (heard.places < len(heard.states)).all()
    found = 0
    for name in recordings:
        samples = torch.from_numpy(recordings[name])[None]
        with torch.no_grad():
            states = theirs.model.encoder(samples).last_hidden_state.shape[1]
            ids = theirs.generate(samples, max_new_tokens=60, do_sample=False)[0].tolist()
        if END in ids[1:] and len(ids) <= 6.5 * samples.shape[1] / 16_000 and len(ids) > 3:
            assert tuple(ids) in texts[states], name
            found += 1
    assert found >= 3


def test_a_stopped_run_goes_on_and_versions_differ(moonshine: Path, data: Path, cache: Path) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in cache.glob("*.npz")}
    assert {name.split("-")[0] for name in before} == {"0", "1"}
    one = next(iter(sorted(cache.glob("1-*.npz"))))
    content = one.read_bytes()
    one.unlink()
    prepare(Prepare(data, moonshine, cache, corpora=("tones",), versions=2, shard=8))
    assert one.read_bytes() == content  # the same spoiling again
    after = {path.name: path.stat().st_mtime_ns for path in cache.glob("*.npz") if path != one}
    assert after == {name: time for name, time in before.items() if name != one.name}


def test_batches_hold_the_texts(moonshine: Path, cache: Path) -> None:
    heard = [h for path in sorted(cache.glob("0-*.npz")) for h in read_shard(path)]
    ids = draftable(heard, 2)
    stack = Stacker(ids, moonshine_tokenizer(moonshine))
    batch = stack(heard[:5])
    for recording, tokens, aligned, slots in zip(heard, batch.tokens, batch.aligned, batch.slots.tolist(), strict=False):
        text = [i for i in recording.ids[1:-1].tolist() if i in ids.tolist()]
        assert ids[tokens - 1].tolist() == text
        assert slots == -(-len(recording.states) // STATES_PER_SLOT)
        assert not aligned[slots:].any()
        spoken = slots_of(recording)
        assert set(ids[aligned[aligned > 0] - 1].tolist()) <= set(text)
        assert (np.abs(spoken * STATES_PER_SLOT - recording.places[:-1]) <= STATES_PER_SLOT).all()
    counts = np.unique(np.concatenate([h.ids[1:-1] for h in heard]), return_counts=True)
    assert ids.tolist() == counts[0][counts[1] >= 2].tolist()


def test_letters_are_those_of_the_text(moonshine: Path, cache: Path) -> None:
    tokenizer = moonshine_tokenizer(moonshine)
    stack = Stacker(torch.tensor([3]), tokenizer)
    heard = Heard(np.zeros((9, 4), np.float16), np.array([START, 259, 260, END], np.int32), np.zeros(3, np.float32))
    text = tokenizer.decode([259, 260]).strip()
    assert "".join(LETTERS[i - 1] for i in stack.letters(heard).tolist()) == "".join(c for c in text if c in LETTERS)
    assert len(stack.letters(heard))


def options(moonshine: Path, cache: Path, out: Path) -> TrainDrafter:
    more = {"least": 1, "batch": 4, "warmup_steps": 5, "threads": 1, "peak": 1e-2, "average": 0.9, "aligned_steps": 20}
    return TrainDrafter(out=out, moonshine=moonshine, cache=cache, minutes=0.05, **more)  # type: ignore[arg-type]


def test_drafts_get_better(moonshine: Path, cache: Path, tmp_path: Path) -> None:
    lessons = Lessons(replace(options(moonshine, cache, tmp_path), aligned_steps=1000))
    optimizer = torch.optim.AdamW([p for p in lessons.drafter.parameters() if p.requires_grad], 1e-2)
    aligned = []
    for step in range(40):
        parts = lessons.losses(step)
        optimizer.zero_grad()
        sum(parts.values()).backward()
        optimizer.step()
        aligned.append(float(parts["aligned"].detach()))
    assert np.mean(aligned[-8:]) < 0.9 * np.mean(aligned[:8])


def test_the_decoder_places_the_tokens_at_first(moonshine: Path, cache: Path, tmp_path: Path) -> None:
    lessons = Lessons(options(moonshine, cache, tmp_path))
    assert lessons.losses(19).keys() == {"letters", "aligned"}
    assert lessons.losses(20).keys() == {"letters", "slots", "aligned"}


def test_every_recording_is_heard_once_before_any_is_again(moonshine: Path, cache: Path, tmp_path: Path) -> None:
    lessons = Lessons(options(moonshine, cache, tmp_path))
    steps = -(-len(lessons.recordings) // 4)
    for epoch in range(2):
        heard = [id(one) for step in range(steps) for one in lessons._group(epoch * steps + step)]
        assert sorted(heard) == sorted(map(id, lessons.recordings))


@pytest.mark.slow
def test_a_run_goes_on(moonshine: Path, cache: Path, tmp_path: Path) -> None:
    train(options(moonshine, cache, tmp_path))
    train(replace(options(moonshine, cache, tmp_path), minutes=0.1))
    first, last = (json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines())
    assert last["step"] > first["step"] > 0
    model, lessons = load_moonshine(moonshine), Lessons(options(moonshine, cache, tmp_path))
    drafter = load_drafter(model, tmp_path / "weights.safetensors")
    assert torch.equal(drafter.head.weight, model.decoder.embed_tokens.weight[drafter.ids])
    assert wrong_share(drafter, lessons.held, lessons.stack) == pytest.approx(last["wrong"], abs=0.02)  # float16


def test_a_run_begins_with_given_parameters(moonshine: Path, cache: Path, tmp_path: Path) -> None:
    train(options(moonshine, cache, tmp_path))
    start = tmp_path / "weights.safetensors"
    train(replace(options(moonshine, cache, tmp_path / "again"), start=start, minutes=0))
    first, again = load_file(start), load_file(tmp_path / "again" / "weights.safetensors")
    assert first.keys() == again.keys()
    assert all(torch.equal(value, again[name]) for name, value in first.items())


def test_a_run_adds_what_only_its_texts_say(moonshine: Path, cache: Path, tmp_path: Path) -> None:
    first = Lessons(options(moonshine, cache, tmp_path))
    table = load_moonshine(moonshine).decoder.embed_tokens.weight
    few, every = first.drafter.ids[:2], first.drafter.ids
    drafter = extended(Drafter(few, table[few]), every, table)
    assert sorted(drafter.ids.tolist()) == sorted(every.tolist())
    assert torch.equal(drafter.head.weight, table[drafter.ids])
    states = torch.randn(1, 30, table.shape[1])
    _, scores = drafter(states)
    assert torch.allclose(scores[..., :3], reduced(drafter, few, table)(states)[1])
    assert extended(drafter, few, table) is drafter


def reduced(drafter: Drafter, ids: torch.Tensor, table: torch.Tensor) -> Drafter:
    """The same parameters for the drafter's first tokens."""
    made = Drafter(ids, table[ids])
    state = {name: value for name, value in drafter.state_dict().items() if not name.startswith("head.") and name != "ids"}
    made.load_state_dict(state | {"head.bias": drafter.head.bias[: len(ids)]}, strict=False)
    return made


def test_no_shard_is_told(moonshine: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no shard to train on; run `python -m unmask"):
        Lessons(options(moonshine, tmp_path, tmp_path / "run"))
