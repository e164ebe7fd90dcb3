"""`unmask batch`: every text once, whatever dies; what is left out, and what is told."""

import contextlib
import json
import os
import shutil
import signal
import time
from pathlib import Path

import fsspec
import pytest

from tests.apps.conftest import CLIPS, TRANSCRIPTS, Command, start
from unmask.apps.batch.jobs import jobs_of
from unmask.apps.batch.places import clear_parts, files_in, write
from unmask.errors import InputError

NAMES = sorted(TRANSCRIPTS)


@pytest.fixture
def talks(tmp_path: Path) -> Path:
    """A folder with the clips, one of them below."""
    folder = tmp_path / "talks"
    (folder / "day 2").mkdir(parents=True)
    for name, place in zip(NAMES, (folder, folder, folder / "day 2"), strict=True):
        shutil.copy(CLIPS / f"{name}.flac", place)
    (folder / "notes.pdf").write_bytes(b"%PDF")
    return folder


def texts(out: Path) -> dict[str, str]:
    """Every file of an output folder by its path: none is half written."""
    return {path.relative_to(out).as_posix(): path.read_text() for path in out.rglob("*") if path.is_file()}


def test_a_folder_becomes_texts_as_caption_writes_them(command: Command, talks: Path, tmp_path: Path) -> None:
    done = command("batch", talks, "--out", tmp_path / "out", "--workers", "1", "--format", "vtt")
    assert (done.code, done.out) == (0, "")
    assert "3 of 3: 0.01 h of audio" in done.err
    found = texts(tmp_path / "out")
    assert set(found) == {f"{NAMES[0]}.vtt", f"{NAMES[1]}.vtt", f"day 2/{NAMES[2]}.vtt"}
    assert found[f"{NAMES[0]}.vtt"] == command("caption", "--format", "vtt", talks / f"{NAMES[0]}.flac").out


def test_a_run_goes_on_and_bad_files_are_told(command: Command, talks: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (talks / "broken.wav").write_bytes(b"RIFF" + bytes(40))
    first = command("batch", talks, "--out", out, "--workers", "1")
    assert (first.code, first.out) == (2, "")
    assert first.err.splitlines()[-1].endswith(f"1 of 4 recordings could not be done; failed.jsonl in {out} has them")
    (line,) = (out / "failed.jsonl").read_text().splitlines()
    assert json.loads(line)["file"] == str(talks / "broken.wav")
    (out / f"{NAMES[0]}.jsonl").write_text("kept")
    (out / f"{NAMES[1]}.jsonl").unlink()
    (out / f"{NAMES[1]}.jsonl.abcd1234.part").write_text("half")
    (talks / "broken.wav").unlink()
    second = command("batch", talks, "--out", out, "--workers", "1")
    assert second.code == 0
    assert "2 of 3 results are there already" in second.err
    found = texts(out)
    assert set(found) == {f"{NAMES[0]}.jsonl", f"{NAMES[1]}.jsonl", f"day 2/{NAMES[2]}.jsonl", "failed.jsonl"}
    assert (found[f"{NAMES[0]}.jsonl"], found["failed.jsonl"]) == ("kept", "")
    assert command("batch", talks, "--out", out, "--workers", "1", "--again", "--quiet").err == ""
    assert json.loads(texts(out)[f"{NAMES[0]}.jsonl"])["words"]


def test_manifests_name_recordings(command: Command, talks: Path, tmp_path: Path) -> None:
    (talks / "list.txt").write_text(f"# two\n{NAMES[0]}.flac\n{talks / 'day 2' / NAMES[2]}.flac\n")
    (talks / "list.jsonl").write_text(json.dumps({"file": f"{NAMES[1]}.flac", "text": ""}) + "\n")
    done = command(
        "batch", talks / "list.txt", talks / "list.jsonl", "--out", tmp_path / "out", "--workers", "1", "--format", "txt"
    )
    assert done.code == 0
    assert set(texts(tmp_path / "out")) == {f"{name}.txt" for name in NAMES}


def test_what_cannot_be_listed_is_refused(command: Command, talks: Path, tmp_path: Path) -> None:
    for line, reason in (("{}", "line 1: no JSON object with the key `file`"), ('{"file": 1}', "is no text")):
        (talks / "list.jsonl").write_text(line)
        with pytest.raises(InputError, match=reason):
            jobs_of([str(talks / "list.jsonl")], "txt")
    shutil.copy(talks / f"{NAMES[0]}.flac", talks / "day 2")
    with pytest.raises(InputError, match="would both be written to"):
        jobs_of([str(talks / f"{NAMES[0]}.flac"), str(talks / "day 2" / f"{NAMES[0]}.flac")], "txt")
    (tmp_path / "empty").mkdir()
    for arguments in ((tmp_path / "empty",), (), ("absent.txt",)):
        refused = command("batch", *arguments, "--out", tmp_path / "out", "--workers", "1")
        assert (refused.code, refused.out, refused.err.count("\n")) == (2, "", 1)
    assert command("batch", talks, "--out", tmp_path / "out", "--workers", "0").code == 2
    assert not (tmp_path / "out").exists()


def test_storage_of_other_places_by_url(command: Command, talks: Path) -> None:
    memory = fsspec.filesystem("memory")
    memory.put(str(talks), "/talks", recursive=True)
    done = command("batch", "memory://talks", "--out", "memory://texts", "--workers", "1", "--format", "txt")
    assert done.code == 0
    assert set(files_in("memory://texts")) == {f"{NAMES[0]}.txt", f"{NAMES[1]}.txt", f"day 2/{NAMES[2]}.txt"}
    assert b"Dashwood" in memory.cat(f"/texts/{NAMES[0]}.txt")
    write("memory://texts", "day 3/a.txt", b"new")
    memory.pipe(f"/texts/{NAMES[0]}.txt.abcd1234.part", b"half")
    assert clear_parts("memory://texts", {f"{NAMES[0]}.txt"}) == 1
    assert "day 3/a.txt" in files_in("memory://texts")
    assert command("batch", "nosuch://talks", "--out", "memory://texts").code == 2
    memory.rm("/talks", recursive=True)
    memory.rm("/texts", recursive=True)


def test_prompts_become_pictures_and_pictures_texts(command: Command, tmp_path: Path) -> None:
    """There and back by two batches; a third leaves out what is there."""
    texts_of = {
        "one": "a big red car on the left on a white background",
        "day 2/two": "a big cat on the right on a pink background",
    }
    lines = [json.dumps({"text": text, "name": name}) for name, text in texts_of.items()]
    (tmp_path / "draw.jsonl").write_text("\n".join([*lines, json.dumps({"text": "a bee at the top"}), ""]))
    drawn, told = tmp_path / "drawn", tmp_path / "told"
    done = command("batch", tmp_path / "draw.jsonl", "--task", "t2i", "--out", drawn, "--workers", "1")
    assert done.code == 0, done.err
    assert "3 of 3: prompts in" in done.err
    names = ["one.png", "day 2/two.png", "draw-000003.png"]
    assert {path.relative_to(drawn).as_posix() for path in drawn.rglob("*.png")} == {*names}
    (drawn / "tell.jsonl").write_text("".join(json.dumps({"image": name}) + "\n" for name in [*names, "no.png"]))
    partly = command("batch", drawn / "tell.jsonl", "--task", "i2t", "--out", told, "--workers", "1")
    assert partly.code == 2
    assert f"1 of 4 prompts could not be done; failed.jsonl in {told} has them" in partly.err
    found = texts(told)
    assert json.loads(found.pop("failed.jsonl"))["file"].endswith("tell.jsonl, line 4")
    assert [found["tell-000001.txt"], found["tell-000002.txt"]] == [f"{text}\n" for text in texts_of.values()]
    again = command("batch", tmp_path / "draw.jsonl", "--task", "t2i", "--out", drawn, "--workers", "1")
    assert "3 of 3 results are there already" in again.err


def test_inputs_that_a_task_can_do_without_may_be_left_out(command: Command, voice: Path, tmp_path: Path) -> None:
    asked, out = tmp_path / "said.jsonl", tmp_path / "out"
    asked.write_text('{"text": "hello there"}\n{"text": "hello there", "language": "en", "name": "other"}\n')
    done = command("batch", asked, "--task", "tts", "--bundle", voice, "--out", out, "--workers", "1")
    assert done.code == 0, done.err
    assert {path.name for path in out.iterdir()} == {"said-000001.wav", "other.wav"}
    asked.write_text('{"text": "hello there", "language": 5}')
    told = command("batch", asked, "--task", "tts", "--bundle", voice, "--out", out, "--workers", "1")
    assert (told.code, told.err.count("\n")) == (2, 1)
    assert "line 1: `language` is no text" in told.err


@pytest.mark.parametrize(
    ("lines", "more", "reason"),
    [
        ('{"text": "a cat"}', ("--task", "draw"), "has no task 'draw'"),
        ('{"prompt": "a cat"}', ("--task", "t2i"), "line 1: no JSON object with the key `text`"),
        ('{"text": 5}', ("--task", "t2i"), "line 1: `text` is no text"),
        ('{"text": "a cat", "name": "../up"}', ("--task", "t2i"), "'../up' is no name of a file below --out"),
        ('{"text": "a cat", "name": "a"}\n{"text": "b", "name": "a"}', ("--task", "t2i"), "would both be written to a.png"),
        ("", ("--task", "t2i"), "there are no prompts"),
        (
            '{"text": "a cat"}',
            ("--task", "t2i", "--format", "srt", "--verify", "3"),
            "--format, --verify: only read for captions",
        ),
    ],
)
def test_prompts_that_cannot_be_asked_are_told(
    command: Command, tmp_path: Path, lines: str, more: tuple[str, ...], reason: str
) -> None:
    (tmp_path / "asked.jsonl").write_text(lines)
    told = command("batch", tmp_path / "asked.jsonl", "--out", tmp_path / "out", "--workers", "1", *more)
    assert (told.code, told.err.count("\n")) == (2, 1)
    assert reason in told.err
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_killed_at_any_moment_every_text_is_whole_and_there_once(talks: Path, tmp_path: Path) -> None:
    for i in range(6):
        shutil.copy(CLIPS / f"{NAMES[i % 3]}.flac", talks / f"more-{i}.flac")
    out = tmp_path / "out"
    for pause in (1.0, 2.0, 2.5, 3.0):
        process = start("batch", talks, "--out", out, "--workers", "1", "--quiet")
        time.sleep(pause)
        process.send_signal(signal.SIGKILL)
        process.wait()
        for name, text in (texts(out) if out.exists() else {}).items():
            assert name.endswith(".part") or json.loads(text)["words"], name
    last = start("batch", talks, "--out", out, "--workers", "1", "--quiet")
    assert last.wait(timeout=300) == 0
    assert len(texts(out)) == 9
    assert all(json.loads(text)["words"] for text in texts(out).values())


# ---- Ray


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_two_workers_write_what_one_does_and_one_that_is_killed_is_made_again(talks: Path, tmp_path: Path) -> None:
    for i in range(12):
        shutil.copy(CLIPS / f"{NAMES[i % 3]}.flac", talks / f"more-{i}.flac")
    process = start("batch", talks, "--out", tmp_path / "out", "--workers", "2", "--format", "txt", "--quiet")
    killed = 0
    while process.poll() is None:
        done = len(list((tmp_path / "out").rglob("*.txt"))) if (tmp_path / "out").exists() else 0
        if killed < done // 4:
            workers = descendants(process.pid)
            if workers:
                os.kill(workers[killed % len(workers)], signal.SIGKILL)
                killed += 1
        time.sleep(0.05)
    told = process.communicate()[1]  # Ray may say something about its tokens
    assert process.returncode == 0, told
    assert "unmask:" not in told
    assert killed >= 1
    found = texts(tmp_path / "out")
    assert len(found) == 15
    assert all(text.strip() for text in found.values())
    assert found["more-0.txt"] == found[f"{NAMES[0]}.txt"]


def descendants(pid: int) -> list[int]:
    """Workers of Ray with a captioner in them that a process has started."""
    parents, workers = dict[int, int](), []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended
            parents[int(path.name)] = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            if (path / "cmdline").read_bytes().startswith(b"ray::Worker"):
                workers.append(int(path.name))
    return sorted(worker for worker in workers if descends(worker, pid, parents))


def descends(child: int, pid: int, parents: dict[int, int]) -> bool:
    while child in parents and child != pid:
        child = parents[child]
    return child == pid


def test_a_cluster_that_is_not_there_is_told(command: Command, talks: Path, tmp_path: Path) -> None:
    refused = command("batch", talks, "--out", tmp_path / "out", "--address", "127.0.0.1:1")
    assert (refused.code, refused.out) == (2, "")
    assert "no Ray cluster is there" in refused.err
