"""`unmask generate`: text and codes on stdout, cost on stderr, an interrupted fill keeps what stands."""

import json
import signal
from pathlib import Path

import pytest

from tests.apps.conftest import Command, start
from unmask import system
from unmask.apps.cli.options import SHIPPED


@pytest.fixture
def dream(backbones: dict[str, Path]) -> Path:
    return backbones["dream"]


def test_json_holds_ids_and_cost(command: Command, dream: Path) -> None:
    result = command("generate", dream, "--prompt", "hello", "--length", "12", "--json")
    answer = json.loads(result.out)
    assert result.code == 0
    assert len(answer["ids"]) == 12
    assert answer["task"] == "generate"
    assert answer["passes"] >= 1
    assert f"{answer['tokens']} tokens of 12" in result.err


def test_one_seed_gives_the_same_text(command: Command, dream: Path) -> None:
    def drawn(seed: str) -> list[int]:
        line = ("--prompt", "x", "--length", "16", "--temperature", "1.0", "--seed", seed, "--json", "--quiet")
        ids: list[int] = json.loads(command("generate", dream, *line).out)["ids"]
        return ids

    assert drawn("5") == drawn("5") != drawn("6")


def test_show_tells_each_pass_on_stderr(command: Command, dream: Path) -> None:
    result = command("generate", dream, "--prompt", "hello", "--length", "8", "--passes", "2", "--rule", "quota", "--show")
    assert result.code == 0
    assert "pass 1  4/8 places" in result.err
    assert "pass 2  8/8 places" in result.err


def test_reference_mode_computes_every_row_each_time(command: Command, dream: Path) -> None:
    answer = json.loads(command("generate", dream, "--prompt", "hello", "--length", "8", "--reference", "--json").out)
    assert answer["rows"] == answer["passes"] * (5 + 8)


def test_steps_and_temperature_act_in_reference_mode(command: Command, dream: Path) -> None:
    def ids(*options: str) -> tuple[int, ...]:
        line = ("generate", dream, "--prompt", "hello", "--length", "16", "--reference", "--json", "--quiet", *options)
        answer = json.loads(command(*line).out)
        return answer["passes"], *answer["ids"]

    usual, few = ids(), ids("--steps", "4")
    assert (usual[0], few[0]) == (16, 4)
    assert ids("--passes", "4") == few
    first, again, other = (ids("--temperature", "5", "--seed", seed) for seed in ("7", "7", "8"))
    assert first == again
    assert len({usual[1:], few[1:], first[1:], other[1:]}) == 4


def test_codes_come_from_files_and_go_out_as_numbers(command: Command, omni: Path, tmp_path: Path) -> None:
    (tmp_path / "speech.txt").write_text("1 2, 3\n16383")
    line = ("generate", omni, "--task", "s2i", "--speech", tmp_path / "speech.txt", "--passes", "2", "--quiet")
    result = command(*line)
    assert result.code == 0
    kind, numbers = result.out.strip().split(": ")
    assert kind == "image"
    assert len(numbers.split()) == 256
    assert all(0 <= int(code) < 8192 for code in numbers.split())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "this task takes text: give --prompt"),
        (("--prompt", ""), "the input text is empty"),
        (("--prompt", "x" * 500), "the prompt has 500 tokens and the answer 128; dream takes 512 in all"),
        (("--prompt", "x", "--task", "sing"), "no task 'sing'"),
        (("--prompt", "x", "--task", ""), "no task ''"),
        (("--prompt", "x", "--image", "codes.txt"), "this task takes text, not image"),
        (("--prompt", "x", "--rule", "thresold"), "rule 'thresold' is not one of"),
        (("--prompt", "x", "--threads", "0"), "threads is 0"),
        (("--prompt", "x", "--temperature", "1", "--seed", "-1"), "seed is -1; it must be 0 or above"),
        (("--prompt", "x", "--reference", "--seed", "-1"), "seed is -1; it must be 0 or above"),
        (("--prompt", "x", "--pases", "3"), "--pases"),
        (
            ("--prompt", "x", "--reference", "--order", "margin", "--budget-ms", "9"),
            "--order, --budget-ms: the published decoding",
        ),
        (("--prompt", "x", "--reference", "--block", "8"), "no blocks; leave block out"),
        (("--prompt", "x", "--length", "8", "--reference", "--steps", "9"), "steps is 9; the answer has 8 masked positions"),
        (("--prompt", "x", "--verify", "3"), "--verify"),
    ],
)
def test_bad_input_is_one_line_and_code_2(command: Command, dream: Path, options: tuple[str, ...], message: str) -> None:
    result = command("generate", dream, *options)
    assert (result.code, result.out) == (2, "")
    assert message in result.err
    assert result.err.count("\n") == 1


def test_a_checkpoint_is_told_how_to_become_a_bundle(command: Command, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    for line in (("generate", tmp_path, "--prompt", "x"), ("compare", SHIPPED, tmp_path), ("inspect", tmp_path)):
        told = command(*line)
        assert (told.code, told.out, told.err.count("\n")) == (2, "", 1)
        assert f"it is a checkpoint: `unmask export {tmp_path}` makes a bundle of it" in told.err


def test_what_the_machine_cannot_hold_is_refused_with_the_number(
    command: Command, dream: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(system, "LITTLE", 0)
    monkeypatch.setattr(system, "free_bytes", lambda: 400_000)
    line = ("generate", dream, "--prompt", "x" * 380, "--length", "20", "--quiet")
    told = command(*line)
    assert (told.code, told.out, told.err.count("\n")) == (2, "", 1)
    assert told.err.startswith(
        "unmask: keeping keys and values of 400 positions needs 400.0 KiB of memory, and 390.6 KiB are free"
    )
    monkeypatch.setattr(system, "free_bytes", lambda: 1_000_000)
    assert command(*line).err.startswith("unmask: a pass over 400 rows and 400 positions needs")
    monkeypatch.setattr(system, "free_bytes", lambda: 10_000_000)
    assert command(*line).code == 0


@pytest.mark.parametrize(("text", "message"), [("1 two 3", "not a file of whole numbers"), ("9000", "code 9000 is out of range")])
def test_bad_codes(command: Command, omni: Path, tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "image.txt").write_text(text)
    result = command("generate", omni, "--task", "vqa", "--prompt", "x", "--image", tmp_path / "image.txt")
    assert (result.code, result.out, result.err.count("\n")) == (2, "", 1)
    assert message in result.err


def test_interrupted_it_prints_what_stands(dream: Path) -> None:
    line = ("generate", dream, "--prompt", "hello", "--length", "500", "--threshold", "1", "--show", "--json")
    process = start(*line)
    assert process.stderr is not None
    while "pass 3" not in process.stderr.readline():
        pass
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    answer = json.loads(out)
    assert 3 <= answer["passes"] < 500
    assert sum(token != 259 for token in answer["ids"]) >= 3
    assert "interrupted" in err
