"""The recipe of the mask rows: what is prepared is the model's own, and training teaches drafts and changes nothing else."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import MoonshineForConditionalGeneration

from unmask.export.modules.moonshine import END, START
from unmask.export.moonshine_weights import load_moonshine
from unmask.training.drafting.batches import Anchoring, expected_places, place_of, read_shard, running_at, stack
from unmask.training.drafting.prepare import Heard, Prepare
from unmask.training.drafting.prepare import main as prepare
from unmask.training.drafting.train import Run, Train, causal, mask_rows
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


def test_places_are_read_off_the_running_count() -> None:
    """A counter that is certain of every token's state puts every mask row where its token is heard."""
    rng = np.random.default_rng(0)
    spoken = [np.cumsum(rng.uniform(2, 20, rng.integers(6, 12))).astype(np.float32) for _ in range(5)]
    heard = [Heard(np.zeros((int(p[-1]) + 5, 4), np.float16), np.arange(1, len(p) + 2, dtype=np.int32), p) for p in spoken]
    for stale_share in (0.0, 1.0):
        batch = stack(heard, Anchoring(rows=3, stale_share=stale_share, stale=3), rng)
        states = torch.arange(batch.states.shape[1])
        counts = (1 - (states - batch.spoken[..., None]).abs()).clamp(min=0).sum(1) + 1e-6
        wanted = batch.spoken.gather(1, (batch.wanted - 1).clamp(min=0).flatten(1)).unflatten(1, batch.wanted.shape[1:])
        far = (expected_places(batch, counts) - wanted).abs()[batch.wanted >= 0]
        assert far.max() < 1.0


def test_a_place_is_where_the_running_count_is_reached() -> None:
    running = torch.tensor([[0.0, 1.0, 1.0, 3.0]])
    counts = torch.tensor([[0.5, 1.5, 3.0, 9.0]])
    torch.testing.assert_close(place_of(running, counts), torch.tensor([[0.5, 2.25, 3.0, 3.0]]))
    torch.testing.assert_close(running_at(running, torch.tensor([[0.5, 2.25, 3.0, 9.0]])), torch.tensor([[0.5, 1.5, 3.0, 3.0]]))


def options(moonshine: Path, cache: Path, out: Path) -> Train:
    anchoring = Anchoring(anchors=4, rows=3, stale=3)
    more = {"rank": 4, "batch": 4, "warmup_steps": 5, "report_steps": 20, "threads": 1, "peak": 1e-2, "average": 0.9}
    return Train(moonshine, cache, out, minutes=0.15, anchoring=anchoring, **more)  # type: ignore[arg-type]


def test_drafts_get_better_and_the_decoder_stays_as_it_was(moonshine: Path, cache: Path, tmp_path: Path) -> None:
    train(options(moonshine, cache, tmp_path / "run"))
    lines = [json.loads(line) for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    assert lines[-1]["loss"] < 0.9 * lines[0]["loss"]
    run = Run(options(moonshine, cache, tmp_path / "run"))
    run.resume()
    assert run.step == lines[-1]["step"]
    before = dict(load_moonshine(moonshine).named_parameters())
    for name, p in run.model.named_parameters():
        assert (".draft_" in f".{name}") != (name in before and torch.equal(p, before[name].to(p.dtype))), name


def test_each_mask_row_sees_its_own_anchor_and_no_other(moonshine: Path, cache: Path) -> None:
    """Rows of one anchor alone are the same as beside the rows of others."""
    anchoring = Anchoring(anchors=3, rows=3, stale_share=0.0)
    model = load_moonshine(moonshine, draft_rank=2)
    heard = max(read_shard(next(iter(sorted(cache.glob("0-*.npz"))))), key=lambda h: len(h.ids))
    batch = stack([heard], anchoring, np.random.default_rng(0))
    with torch.no_grad():
        cross = model.decoder.cross(batch.states)
        _, past = causal(model, batch, batch.ids, cross)
        places = expected_places(batch, model.decoder.draft_counter(batch.states))
        together, _, _ = model.decoder(mask_rows(model, batch, places), cross, batch.heard, past)
        for i in range(batch.anchors.shape[1]):
            one = slice(i, i + 1)
            only = replace(batch, anchors=batch.anchors[:, one], wanted=batch.wanted[:, one])
            alone, _, _ = model.decoder(mask_rows(model, only, places[:, one]), cross, batch.heard, past)
            torch.testing.assert_close(alone[0], together[0, 3 * i : 3 * i + 3], rtol=1e-4, atol=1e-5)
