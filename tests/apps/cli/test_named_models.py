"""`--model base`: the bundle that was made on this machine, and what is told where there is none."""

import shutil
from pathlib import Path

import pytest

from tests.apps.conftest import Command


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("UNMASK_CACHE", str(tmp_path))
    return tmp_path


def test_base_is_the_bundle_in_the_cache(command: Command, clip: Path, fp32_bundle: Path, cache: Path) -> None:
    shutil.copytree(fp32_bundle, cache / "moonshine-base-en")
    named, given = command("caption", "--model", "base", clip), command("caption", "--quiet", "--bundle", fp32_bundle, clip)
    assert (named.code, named.out) == (0, given.out)
    assert "base has no drafter: it writes token by token" in named.err
    assert command("caption", "--model", "base", "--quiet", clip).err == ""


@pytest.mark.parametrize("name", ["caption", "serve"])
def test_a_base_that_was_not_made_is_told_with_the_commands(command: Command, clip: Path, cache: Path, name: str) -> None:
    result = command(name, "--model", "base", *([clip] if name == "caption" else []))
    assert result.code == 2
    assert f"unmask quantize base-fp32 --to int8 --out {cache / 'moonshine-base-en'}" in result.err


def test_a_name_and_a_folder_are_not_both_given(command: Command, clip: Path, plain_bundle: Path) -> None:
    result = command("caption", "--model", "base", "--bundle", plain_bundle, clip)
    assert result.code == 2
    assert "leave one out" in result.err
