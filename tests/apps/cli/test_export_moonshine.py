"""`unmask export` of a Moonshine: a checkpoint and the file of its drafter in, a bundle out, and one line for what is wrong."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from tests.apps.conftest import Command
from tests.tiny import moonshine_checkpoint, write_pieces
from unmask.benchmarks.scenarios.checkpoints import write_checkpoint
from unmask.bundle.manifest import load_bundle
from unmask.engines.engine import Engine


@pytest.fixture
def given(tmp_path: Path) -> tuple[Path, Path]:
    return moonshine_checkpoint(tmp_path / "tiny-en")


def refused(command: Command, *line: str | Path) -> str:
    told = command(*line)
    assert (told.code, told.out, told.err.count("\n")) == (2, "", 1), told
    return told.err


@pytest.mark.slow
def test_a_checkpoint_and_its_drafter_become_a_bundle(command: Command, given: tuple[Path, Path], fp32_bundle: Path) -> None:
    folder, draft = given
    result = command("export", folder, "--draft", draft)
    assert (result.code, result.out) == (0, f"{folder}.bundle\n")
    count = len(load_file(draft)["ids"])
    assert f"family moonshine: layers of 36, 2 and 2; drafts {count} of its tokens" in result.err
    engine = Engine(load_bundle(f"{folder}.bundle")).load()
    manifest = engine.bundle.manifest
    assert manifest.transcript is not None
    assert (manifest.name, manifest.transcript.states_per_slot) == ("tiny-en", 3)
    assert manifest.provenance["drafter"] == f"drafts {count} of its tokens"
    assert engine.bundle.tokenizer.encode("the theses", add_special_tokens=False).tokens[0] == "\u2581the"
    samples = (0.1 * np.random.default_rng(0).standard_normal((1, 9000))).astype(np.float32)
    wanted = Engine(load_bundle(fp32_bundle)).run("context", {"samples": samples})  # of the same model
    for name, array in engine.run("context", {"samples": samples}).items():
        np.testing.assert_allclose(array, wanted[name], rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_without_a_drafter_a_bundle_writes_token_by_token(command: Command, given: tuple[Path, Path], tmp_path: Path) -> None:
    (given[0] / "tokenizer.bin").rename(tmp_path / "moved.bin")
    assert "neither tokenizer.bin nor tokenizer.json" in refused(command, "export", given[0])
    (tmp_path / "moved.bin").rename(given[0] / "tokenizer.bin")
    assert command("export", given[0], "--out", tmp_path / "plain", "--name", "plain", "--quiet").err == ""
    manifest = load_bundle(tmp_path / "plain").manifest
    assert manifest.transcript is not None
    assert (manifest.name, manifest.transcript.states_per_slot) == ("plain", 0)


def test_drafters_of_anything_else_are_refused(command: Command, given: tuple[Path, Path], tmp_path: Path) -> None:
    folder, draft = given
    whole = load_file(draft)
    save_file({name: value for name, value in whole.items() if name != "norm.weight"}, draft)
    assert "draft.safetensors: a drafter of another model (norm.weight); train one" in refused(
        command, "export", folder, "--draft", draft
    )
    save_file({**whole, "project.weight": np.zeros((5, 24), np.float32)}, draft)
    assert "another model (project.weight)" in refused(command, "export", folder, "--draft", draft)
    for ids in ({}, {"ids": whole["ids"] + 10_000}):
        save_file({**{name: value for name, value in whole.items() if name != "ids"}, **ids}, draft)
        assert "it has no ids of this model's tokens" in refused(command, "export", folder, "--draft", draft)
    draft.write_bytes(b"{}")
    assert "draft.safetensors: no safetensors file" in refused(command, "export", folder, "--draft", draft)
    assert "none: no safetensors file" in refused(command, "export", folder, "--draft", tmp_path / "none")
    assert not Path(f"{folder}.bundle").exists()


def test_a_tokenizer_of_another_model_is_refused(command: Command, given: tuple[Path, Path]) -> None:
    config = json.loads((given[0] / "config.json").read_text())
    model = load_file(given[0] / "model.safetensors")
    (given[0] / "config.json").write_text(json.dumps({**config, "vocab_size": 260}))
    save_file(
        {**model, "model.decoder.embed_tokens.weight": model["model.decoder.embed_tokens.weight"][:260].copy()},
        given[0] / "model.safetensors",
    )
    assert "has id 270, but the embedding has 260 rows" in refused(command, "export", given[0])


def test_options_that_a_moonshine_does_not_read(command: Command, given: tuple[Path, Path], tmp_path: Path) -> None:
    folder, draft = given
    assert f"--top, --block: not read for {folder}, a Moonshine" in refused(
        command, "export", folder, "--top", "3", "--block", "8"
    )
    assert "--target: not read" in refused(command, "export", folder, "--target", "litert")
    assert f"first run unmask export {folder}" in refused(command, "quantize", folder)
    dream = write_checkpoint(tmp_path / "dream", "dream")
    assert f"--draft: {dream} is no Moonshine" in refused(command, "export", dream, "--draft", draft)


def test_a_folder_of_ort_files_is_a_moonshine(command: Command, tmp_path: Path) -> None:
    (tmp_path / "decoder_model_merged.ort").write_bytes(b"")
    write_pieces(tmp_path / "tokenizer.bin")
    assert "no Moonshine checkpoint" in refused(command, "export", tmp_path, "--out", tmp_path / "out")
