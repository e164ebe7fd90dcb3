"""`--format` and `--output`: each form on real graphs, and what is refused before any audio is read."""

import json
from pathlib import Path

import pytest
import srt as srt_parser
import webvtt

from unmask.apps.cli.main import BAD_INPUT, main

CLIPS = Path(__file__).parents[3] / "apps" / "clips"
CLIP, OTHER = CLIPS / "lj-jail.flac", CLIPS / "austen-dashwood.flac"


def run(*arguments: str | Path) -> int:
    return main(["caption", "--quiet", *map(str, arguments)])


def plain(capsys: pytest.CaptureFixture[str]) -> str:
    assert run(CLIP) == 0
    return capsys.readouterr().out.strip()


def test_every_form_says_the_same_words(capsys: pytest.CaptureFixture[str]) -> None:
    expected = plain(capsys).split()
    assert run(CLIP, "--format", "srt") == 0
    cues = list(srt_parser.parse(capsys.readouterr().out, ignore_errors=False))
    assert " ".join(cue.content for cue in cues).split() == expected
    assert cues[-1].end.total_seconds() <= 8.3
    assert run(CLIP, "--format", "jsonl") == 0
    record = json.loads(capsys.readouterr().out)
    assert record["text"].split() == [word["text"] for word in record["words"]] == expected


def test_files_go_to_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    expected = plain(capsys).split()
    assert run(CLIP, OTHER, "--format", "vtt", "--output", tmp_path) == 0
    assert capsys.readouterr().out == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["austen-dashwood.vtt", "lj-jail.vtt"]
    assert " ".join(caption.text for caption in webvtt.read(tmp_path / "lj-jail.vtt")).split() == expected


def test_one_file_takes_all_lines_and_a_bad_recording_loses_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad, out = tmp_path / "bad.wav", tmp_path / "out.txt"
    bad.write_bytes(b"no audio")
    assert run(CLIP, bad, OTHER, "--output", out) == BAD_INPUT
    assert [line.split(":")[0] for line in out.read_text(encoding="utf-8").splitlines()] == [str(CLIP), str(OTHER)]
    assert "bad.wav" in capsys.readouterr().err


def test_an_old_output_is_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.txt"
    out.write_text("old\n", encoding="utf-8")
    expected = plain(capsys)
    assert run(CLIP, "--output", out) == 0
    assert out.read_text(encoding="utf-8") == f"{expected}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((CLIP, OTHER, "--format", "srt"), "srt holds one recording"),
        ((CLIP, "--output", "no/such/folder/out.txt"), "no such folder"),
        ((CLIP, "--format", "doc"), "doc"),
    ],
)
def test_refused_at_once(arguments: tuple[str | Path, ...], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*arguments) == BAD_INPUT
    shown = capsys.readouterr()
    assert shown.out == ""
    assert message in shown.err
    assert shown.err.count("\n") == 1


def test_recordings_of_one_name_are_not_written_over_each_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(CLIP, CLIP, "--output", tmp_path) == BAD_INPUT
    assert "two recordings would be written to" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


# ---- nothing that exists is destroyed


def test_a_recording_is_never_the_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = (tmp_path / name for name in ("a.flac", "b.flac"))
    for copy in (first, second):
        copy.write_bytes(CLIP.read_bytes())
    for arguments in (
        (second, "--output", second),
        ("--output", first, second, first),  # what a shell makes of --output *.flac
        ("--realtime", second, "--output", second),
        ("--realtime", second, "--save-audio", second),
    ):
        assert run(*arguments) == BAD_INPUT
        assert "which would be lost" in capsys.readouterr().err
    assert first.read_bytes() == second.read_bytes() == CLIP.read_bytes()


@pytest.mark.parametrize("arguments", [("gone.flac",), ("--bundle", "nosuch", CLIP), (Path(__file__),)])
def test_captions_that_exist_outlive_bad_input(tmp_path: Path, arguments: tuple[str | Path, ...]) -> None:
    out = tmp_path / "t.srt"
    out.write_text("old")
    assert run("--format", "srt", *arguments, "--output", out) == BAD_INPUT
    assert out.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["t.srt"]
