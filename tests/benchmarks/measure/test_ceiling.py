"""The machine's ceiling: its products are products, its clock takes the fastest call, and each precision has its peak."""

import numpy as np
import pytest

from unmask.benchmarks.measure import ceiling
from unmask.benchmarks.measure.ceiling import Ceiling, measure_ceiling


def test_what_is_timed_is_the_product() -> None:
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 5)).astype(np.float32), rng.standard_normal((5, 3)).astype(np.float32)
    np.testing.assert_allclose(ceiling._product("MatMul", w, 1)(x)[0], x @ w, rtol=1e-5)
    np.testing.assert_allclose(ceiling._product("MatMul", None, 1)(x, w)[0], x @ w, rtol=1e-5)
    codes, weights = rng.integers(0, 255, (2, 5)).astype(np.uint8), rng.integers(-127, 128, (5, 3)).astype(np.int8)
    found = ceiling._product("MatMulInteger", weights, 1)(codes)[0]
    assert (found == codes.astype(int) @ weights.astype(int)).all()


def test_the_fastest_of_the_calls_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    took, now = iter([5.0, 2.0, 3.0, 9.0]), [0.0]

    def call() -> None:
        now[0] += next(took)

    monkeypatch.setattr(ceiling.time, "perf_counter", lambda: now[0])
    assert ceiling._best(call, 8.0, lambda: now[0]) == 2.0  # three calls take 10 s
    assert next(took) == 9.0


def test_a_small_ceiling_is_measured_in_a_process_of_its_own() -> None:
    found = measure_ceiling(1, side=64, long=256, seconds=0.01)
    assert found.threads == 1
    assert min(found.fp32_macs_per_s, found.int8_macs_per_s, found.bytes_per_s) > 1e6


def test_each_precision_has_its_peak() -> None:
    own = Ceiling(1, 1.0, 2.0, 3.0)
    assert [own.macs_per_s(p) for p in ("fp32", "fp16", "int8", "int4", "int8-weights")] == [1, 1, 2, 2, 2]
