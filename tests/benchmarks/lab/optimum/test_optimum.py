"""Optimum beside this project. What needs its environment (`make optimum-env`) is left out where that is missing."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import MoonshineForConditionalGeneration

from benchmarks.lab.optimum import backbone, oracle
from benchmarks.lab.optimum.to_huggingface import to_huggingface
from benchmarks.lab.peers.peers import CAPTIONS, OPTIMUM_PYTHON, version
from benchmarks.lab.peers.systems import optimum
from benchmarks.lab.peers.turns import CaptionTurns, Transcribed
from tests.benchmarks.lab.programs import Program, program
from tests.random_moonshine import random_moonshine
from tests.tiny import TINY, write_pieces
from unmask.benchmarks.scenarios.runner import Case, Plan, Sample
from unmask.errors import InputError, UnmaskError
from unmask.export.moonshine_weights import load_moonshine

__all__ = ["program"]
ROOT = Path(__file__).parents[4]
PAGE = (ROOT / "docs/optimum.md").read_text(encoding="utf-8")
COMMANDS = [line for line in PAGE.splitlines() if line.startswith((".cache/optimum/bin/", "unmask export ONNX"))]
LIVE = [
    pytest.mark.slow,
    pytest.mark.skipif(not OPTIMUM_PYTHON.is_file(), reason="no environment of optimum's; make optimum-env"),
]


def live(test: object) -> object:
    for mark in LIVE:
        test = mark(test)  # type: ignore[operator]
    return test


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Moonshine as transformers saves it, with a tokenizer.bin."""
    folder = tmp_path_factory.mktemp("saved")
    sizes = {"vocab_size": TINY.vocabulary, "hidden_size": 32, "intermediate_size": 48, "partial_rotary_factor": 0.8}
    random_moonshine(0, 0.2, (2, 2), 4, **sizes).save_pretrained(folder)
    write_pieces(folder / "tokenizer.bin")
    return folder


@pytest.fixture(scope="module")
def plain(checkpoint: Path) -> Path:
    """The same as any transformers reads it."""
    folder = checkpoint.with_name("plain")
    to_huggingface(checkpoint, folder)
    return folder


@pytest.fixture(scope="module")
def made(plain: Path) -> dict[str, Path]:
    """What the page's commands write, by the names that they have there."""
    names = {"MOONSHINE": plain, **{name: plain.with_name(name.lower()) for name in ("ONNX", "BUNDLE", "INT8")}}
    for line in COMMANDS:
        words = [str(names.get(word, word)) for word in shlex.split(line)]
        if words[0] == "unmask":
            words[:1] = [sys.executable, "-m", "unmask.apps.cli.main"]
        subprocess.run(words, cwd=ROOT, env={**os.environ, "HF_HUB_OFFLINE": "1"}, check=True, capture_output=True)
    return names


@pytest.fixture
def recordings(tmp_path: Path) -> list[str]:
    rng, paths = np.random.default_rng(0), [tmp_path / f"{i}.npy" for i in range(3)]
    for i, path in enumerate(paths):
        np.save(path, (0.1 * rng.standard_normal((i + 1) * 9_000)).astype(np.float32))
    return [str(path) for path in paths]


def test_a_folder_for_hugging_face_holds_the_model(checkpoint: Path, plain: Path) -> None:
    own, theirs = MoonshineForConditionalGeneration.from_pretrained(checkpoint), load_moonshine(plain)
    again = MoonshineForConditionalGeneration.from_pretrained(plain)
    samples, ids = torch.randn(1, 6000), torch.tensor([[1, 7, 33, 12]])
    with torch.no_grad():
        logits = [model(input_values=samples, decoder_input_ids=ids).logits for model in (own, again)]
    assert torch.equal(*logits)
    assert theirs.config.rotary == load_moonshine(checkpoint).config.rotary == 6
    assert json.loads((plain / "config.json").read_text(encoding="utf-8"))["partial_rotary_factor"] == 6.5 / 8
    assert (plain / "tokenizer.json").is_file()


def test_the_page_has_the_commands_that_are_tested() -> None:
    names = [re.findall(r"[A-Z0-9]{4,}", line)[:2] for line in COMMANDS]
    assert names == [["MOONSHINE", "ONNX"], ["ONNX", "BUNDLE"], ["ONNX", "INT8"]]


@live
def test_an_export_holds_the_weights_of_its_checkpoint(plain: Path, made: dict[str, Path]) -> None:
    own, found = load_moonshine(plain), load_moonshine(made["ONNX"])
    assert found.config == own.config
    for name, value in own.state_dict().items():
        assert torch.equal(found.state_dict()[name], value), name


@live
def test_optimum_writes_what_our_module_writes(made: dict[str, Path], recordings: list[str]) -> None:
    turns = CaptionTurns(["a", "b", "c"], [1.0, 1.0, 2.0])
    cases = oracle.cases([made["ONNX"], made["INT8"]], [made["BUNDLE"]], 1, recordings)
    turns.take(cases, Plan(rounds=1, warmup=0), lambda line: None)
    ours, theirs, int8, exported = turns.transcribed
    for other in (theirs, exported):
        assert [sample.text for sample in other.samples] == [sample.text for sample in ours.samples]
    assert len({sample.text for sample in ours.samples}) > 1, "recordings must matter"
    assert all(min(sample.rss_mib, sample.seconds) > 0 for sample in (*theirs.samples, *int8.samples))
    assert oracle.with_texts(turns.transcribed).rows[1][-1] == "3 of 3"


@live
def test_only_graphs_without_the_causal_mask_answer_a_canvas(program: Program) -> None:
    result = program(backbone.main)
    assert (result.code, result.err) == (0, "")
    assert "does not recognize this architecture" in result.out
    rows = [line.strip("| ").split(" | ") for line in result.out.splitlines() if line.startswith(("| opt", "| unm"))]
    assert [row[1] for row in rows] == ["rows before only", "rows before only", "all rows", "all rows"]
    assert all(float(row[2]) > 1 for row in rows[:2])
    assert all(float(error) < 1e-3 for row in rows[2:] for error in (row[2], row[4]))
    assert [row[4] for row in rows[:1]] == ["has no cache"]
    assert int(rows[3][5]) < int(rows[2][5])


@live
def test_the_version_is_that_of_the_other_environment() -> None:
    assert version(next(peer for peer in CAPTIONS if peer.name == "optimum")) == "0.1.0"


def test_texts_are_compared_letter_for_letter() -> None:
    def transcribed(name: str, *texts: str) -> Transcribed:
        case = Case("oracle", name, "", "unmask.benchmarks.measure.worker:echo", {})
        return Transcribed(case, [Sample(1.0, text=text) for text in texts], np.zeros(len(texts), int), np.ones(len(texts), int))

    found = oracle.with_texts([transcribed("ours", "One.", "Two."), transcribed("theirs", "One.", "two.")])
    assert found.head[-1] == "same text as ours"
    assert [row[-1] for row in found.rows] == ["2 of 2", "1 of 2"]


@pytest.mark.parametrize("main", [oracle.main, backbone.main], ids=["oracle", "backbone"])
def test_without_the_environment_the_command_that_makes_it_is_named(
    program: Program, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, main: object
) -> None:
    for module in (oracle, backbone):
        monkeypatch.setattr(module, "OPTIMUM_PYTHON", tmp_path / "python")
    result = program(main, *([tmp_path] if main is oracle.main else []))  # type: ignore[arg-type]
    assert (result.code, result.out) == (1, "")
    assert result.err.rstrip().endswith("python: not there; make optimum-env")


def test_a_process_that_ends_is_named_by_its_weights(plain: Path) -> None:
    with pytest.raises(InputError, match=r"plain: optimum's process ended with code 1"):
        optimum(str(plain), 1, [], sys.executable)  # where optimum is not installed


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"tokenizer\.json: missing; copy it from the checkpoint"):
        optimum(str(tmp_path), 1, [], sys.executable)
    with pytest.raises(UnmaskError, match="no Moonshine checkpoint"):
        to_huggingface(tmp_path, tmp_path / "out")
