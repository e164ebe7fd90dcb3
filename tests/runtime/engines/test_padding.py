"""Padding to fixed sizes gives the same results as the call's own sizes, with attention written in NumPy."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from unmask.bundle.graph_spec import BACKBONE, TRANSCRIPT, BundleKind
from unmask.bundle.manifest import Bucket
from unmask.engines.padding import HIDDEN, StaticShapes, hide
from unmask.errors import InputError

LAYERS, HEADS, WIDTH = 2, 2, 4
Arrays = Mapping[str, NDArray[Any]]


def softmax(x: NDArray[np.float64]) -> NDArray[np.float64]:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def attend(q: NDArray[Any], k: NDArray[Any], v: NDArray[Any], mask: NDArray[Any]) -> NDArray[Any]:
    """(N, H hd) and (H, S, hd) -> (N, H hd)."""
    heads = q.reshape(len(q), HEADS, -1).transpose(1, 0, 2)
    out = softmax(heads @ k.transpose(0, 2, 1) + mask) @ v
    return out.transpose(1, 0, 2).reshape(len(q), -1)


def split(rows: NDArray[Any]) -> NDArray[Any]:  # (N, H hd) -> (H, N, hd)
    return rows.reshape(len(rows), HEADS, -1).transpose(1, 0, 2)


def window(feeds: Arrays) -> dict[str, NDArray[Any]]:
    """A backbone's window without weights: rows are their own queries and keys. float64, so that only padding differs."""
    x, keys, values = feeds["rows"].astype(np.float64), [], []
    for k, v in zip(feeds["cache_k"].astype(np.float64), feeds["cache_v"].astype(np.float64), strict=True):
        keys.append(split(x))
        values.append(split(np.tanh(x)))
        k[:, feeds["positions"]], v[:, feeds["positions"]] = keys[-1], values[-1]
        x = x + attend(x, k, v, feeds["mask"])
    return {"hidden": x[feeds["wanted"]], "k": np.stack(keys), "v": np.stack(values)}


def causal(feeds: Arrays) -> dict[str, NDArray[Any]]:
    """Causal self-attention and cross-attention, like a captioner's window of fixed sizes: masks are inputs."""
    rows = feeds["rows"] + 0.1 * feeds["positions"][:, None]
    k = np.concatenate([feeds["past_k"][0], rows])
    v = np.concatenate([feeds["past_v"][0], rows])
    heard = attend(rows, feeds["cross_k"][0], feeds["cross_v"][0], feeds["frame_mask"])
    x = attend(rows, split(k), split(v), feeds["mask"]) + heard
    ids = np.argsort(-x, 1)[:, :2].astype(np.int32)
    return {
        "ids": ids,
        "logits": np.take_along_axis(x, ids, 1),
        "logsumexp": x.sum(1),
        "place": x[:, 0],
        "listed_logits": x.take(feeds["listed"] % WIDTH, 1),
        "k": rows[None],
        "v": rows[None][:, :0],
    }


def static(role: str, sizes: dict[str, int], run: Any, kind: BundleKind = BACKBONE) -> StaticShapes:
    """One bucket, whose graph accepts only its own sizes."""

    def fixed(bucket: Bucket, feeds: Arrays) -> Arrays:
        if role == "window" and kind is BACKBONE:
            assert feeds["rows"].shape[0] == feeds["positions"].shape[0] == feeds["mask"].shape[0] == sizes["rows"]
            assert feeds["cache_k"].shape[2] == feeds["mask"].shape[1] == sizes["slots"]
            assert feeds["wanted"].shape == (sizes["wanted"],)
            assert feeds["positions"].dtype == feeds["wanted"].dtype == np.int32
        return run(feeds)  # type: ignore[no-any-return]

    return StaticShapes(kind, (Bucket("onnx", role, "f", sizes, "fp32"),), fixed)


@settings(max_examples=60)
@given(st.data())
def test_padding_changes_nothing_of_a_backbones_window(data: st.DataObject) -> None:
    slots = data.draw(st.integers(2, 12))
    positions = np.array(sorted(data.draw(st.sets(st.integers(0, slots - 1), min_size=1))), np.int64)
    wanted = np.array(data.draw(st.lists(st.integers(0, len(positions) - 1), min_size=1, max_size=6)), np.int64)
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    mask = np.where(rng.random((len(positions), slots)) < 0.3, np.float32(-1e9), np.float32(0))
    mask[:, 0] = 0
    cache = rng.normal(size=(2, LAYERS, HEADS, slots, WIDTH // HEADS)).astype(np.float32)
    rows = rng.normal(size=(len(positions), WIDTH)).astype(np.float32)
    feeds = {"rows": rows, "positions": positions, "wanted": wanted, "mask": mask, "cache_k": cache[0], "cache_v": cache[1]}
    more = data.draw(st.integers(0, 5))
    sizes = {
        "rows": len(positions) + more,
        "wanted": len(wanted) + data.draw(st.integers(0, 4)),
        "slots": slots + data.draw(st.integers(1 if more else 0, 5)),
    }
    runner = static("window", sizes, window)
    given_mask = mask.copy()
    for ours, plain in zip(runner("window", feeds).values(), window(feeds).values(), strict=True):
        np.testing.assert_allclose(ours, plain, atol=1e-12)
    assert (runner.useful["window"], runner.computed["window"]) == (len(positions), sizes["rows"])
    np.testing.assert_array_equal(mask, given_mask, "the caller's arrays stay as they were")


@settings(max_examples=60)
@given(tokens=st.integers(1, 6), past=st.integers(0, 5), frames=st.integers(1, 9), more=st.tuples(*[st.integers(0, 4)] * 4))
def test_padding_changes_nothing_of_a_captioners_window(
    tokens: int, past: int, frames: int, more: tuple[int, int, int, int]
) -> None:
    rng = np.random.default_rng(tokens + 10 * past)
    feeds = call_of(rng, tokens, past, frames)
    seen = np.concatenate([np.zeros((tokens, past)), np.where(np.tri(tokens, dtype=bool), 0, -np.inf)], 1)
    plain = causal({**feeds, "mask": seen, "frame_mask": np.zeros(frames)})
    sizes = {"tokens": tokens + more[0], "past": max(1, past) + more[1], "frames": frames + more[2], "listed": 2 + more[3]}
    for ours, expected in zip(static("window", sizes, causal, TRANSCRIPT)("window", feeds).values(), plain.values(), strict=True):
        np.testing.assert_allclose(ours, expected, atol=1e-12)


def call_of(rng: np.random.Generator, tokens: int, past: int, frames: int) -> dict[str, NDArray[Any]]:
    """Inputs of a captioner's window."""
    past_k, past_v = rng.normal(size=(2, 1, past, WIDTH))
    cross_k, cross_v = rng.normal(size=(2, 1, HEADS, frames, WIDTH // HEADS))
    rows, positions = rng.normal(size=(tokens, WIDTH)), past + np.arange(tokens)
    kept = {"cross_k": cross_k, "cross_v": cross_v, "past_k": past_k, "past_v": past_v}
    return {"rows": rows, "positions": positions, "listed": np.array([1, 3]), **kept}


def test_ids_come_back_as_int64_and_bias_stays_within_float16() -> None:
    seen: dict[str, NDArray[Any]] = {}

    def head(feeds: Arrays) -> dict[str, NDArray[Any]]:
        seen.update(feeds)
        n = len(feeds["hidden"])
        return {"ids": np.ones((n, 1), np.int32), "logits": np.ones((n, 1)), "logsumexp": np.ones(n), "entropy": np.ones(n)}

    feeds = {"hidden": np.ones((3, 2), np.float32), "bias": np.array([[0, -1e9]], np.float32), "scale": np.ones(1, np.float32)}
    ids = static("head", {"wanted": 4}, head)("head", feeds)["ids"]
    assert ids.dtype == np.int64
    assert ids.shape == (3, 1)
    np.testing.assert_array_equal(seen["bias"], [[0, HIDDEN]])
    with pytest.raises(InputError, match="one set of allowed ids for all rows"):
        static("head", {"wanted": 4}, head)("head", {**feeds, "bias": np.zeros((3, 2), np.float32)})


def test_the_smallest_that_fits_is_chosen_and_none_is_told() -> None:
    def bucket(rows: int, slots: int) -> Bucket:
        return Bucket("onnx", "window", f"{rows}.{slots}", {"rows": rows, "wanted": rows, "slots": slots}, "fp32")

    asked: list[str] = []

    def run(bucket: Bucket, feeds: Arrays) -> Arrays:
        asked.append(bucket.file)
        return window(feeds)

    runner = StaticShapes(BACKBONE, (bucket(8, 8), bucket(4, 32), bucket(4, 16), bucket(8, 16)), run)

    def call(rows: int, slots: int) -> None:
        cache = np.zeros((LAYERS, HEADS, slots, WIDTH // HEADS), np.float32)
        at, mask = np.arange(rows), np.zeros((rows, slots), np.float32)
        feeds = {"rows": np.ones((rows, WIDTH), np.float32), "positions": at, "wanted": at, "mask": mask}
        runner("window", {**feeds, "cache_k": cache, "cache_v": cache})

    for rows, slots in ((3, 10), (8, 8), (7, 8), (4, 16), (3, 16)):
        call(rows, slots)
    # 7 rows on 8 slots need a position for the eighth row, and so do 3 rows on 16
    assert asked == ["4.16", "8.8", "8.16", "4.16", "4.32"]
    with pytest.raises(
        InputError, match=r"no window graph of fixed sizes fits rows 9, wanted 9, slots 9; there are: rows 8, wanted 8, slots 8;"
    ):
        call(9, 9)


def test_a_recording_is_padded_once_for_all_its_passes() -> None:
    seen: list[NDArray[Any]] = []

    def run(feeds: Arrays) -> Arrays:
        seen.append(feeds["cross_k"])
        return causal(feeds)

    runner = static("window", {"tokens": 3, "past": 2, "frames": 12, "listed": 2}, run, TRANSCRIPT)
    rng = np.random.default_rng(0)
    for recording in (1, 2):
        first = call_of(rng, 2, 1, 9)
        kept = {name: first[name] for name in ("cross_k", "cross_v")}
        for tokens in (2, 1):
            runner("window", {**call_of(rng, tokens, 1, 9), **kept})
        assert seen[-1] is seen[-2]
        np.testing.assert_array_equal(seen[-1][:, :, :9], kept["cross_k"], f"recording {recording}")


def test_hide() -> None:
    np.testing.assert_array_equal(hide(2, 4), np.array([0, 0, HIDDEN, HIDDEN], np.float32))
    assert np.exp(HIDDEN) == 0
    assert np.isfinite(np.float16(HIDDEN))
