"""From recordings to labels: corpora are read, states and noise are kept, and transcripts take the teacher's writing."""

import io
import json
import shutil
import tarfile
from collections import Counter
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from tokenizers import Tokenizer

from unmask.benchmarks.measure.word_errors import normalize
from unmask.export.modules.captioner import CaptionerModel
from unmask.export.modules.whisper import Whisper
from unmask.speech.log_mel import SAMPLE_RATE_HZ, log_mel
from unmask.training.captions import prepare, teacher
from unmask.training.captions.prepare import (
    BATCH,
    FRAME_SAMPLES,
    SOFT,
    TAIL_SAMPLES,
    Prepare,
    States,
    encode,
    looped,
    main,
    text_lines,
    untimed,
    wordless_sounds,
    written,
)
from unmask.training.captions.timeline import Masking, SampleMaker, label_of, read_labels, wordless
from unmask.training.captions.vocabulary import source_ids
from unmask.training.captions.whisper_weights import load_whisper
from unmask.training.corpus import Utterance, read_corpus, read_corpus_split
from unmask.training.recordings import Recordings

Samples = NDArray[np.float32]


def tone(hz: float, seconds: float, level: float = 0.1) -> Samples:
    return (level * np.sin(2 * np.pi * hz * np.arange(int(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ)).astype(np.float32)


# ---- corpora


def write_corpus(path: Path, rows: list[dict[str, object]], files: dict[str, tuple[Samples, int]]) -> None:
    with tarfile.open(f"{path}.tar", "w") as tar:
        for name, (samples, rate) in files.items():
            data = io.BytesIO()
            soundfile.write(data, samples, rate, format=Path(name).suffix[1:].upper())
            info = tarfile.TarInfo(name)
            info.size = len(data.getvalue())
            tar.addfile(info, io.BytesIO(data.getvalue()))
        folder = tarfile.TarInfo("folder")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
    Path(f"{path}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def test_corpus_comes_in_the_order_of_its_manifest(tmp_path: Path) -> None:
    first, second = tone(300, 0.2), tone(700, 0.3)
    rows = [{"id": "b", "file": "x/b.wav", "text": "zwei wörter", "seconds": 0.3}, {"id": "a", "file": "a.flac", "seconds": 0.2}]
    write_corpus(tmp_path / "some.corpus", rows, {"a.flac": (first, SAMPLE_RATE_HZ), "x/b.wav": (second, SAMPLE_RATE_HZ)})
    b, a = read_corpus(tmp_path / "some.corpus")
    assert (b.id, b.text, a.id, a.text) == ("b", "zwei wörter", "a", "")
    assert a.samples.dtype == b.samples.dtype == np.float32
    np.testing.assert_allclose(a.samples, first, atol=1 / 32768)
    np.testing.assert_allclose(b.samples, second, atol=1 / 32768)


def test_recordings_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    write_corpus(tmp_path / "rate", [{"id": "a", "file": "a.wav"}], {"a.wav": (tone(300, 0.2), 8000)})
    with pytest.raises(ValueError, match=r"rate\.tar: a\.wav is at 8000 Hz, not 16000"):
        list(read_corpus(tmp_path / "rate"))
    write_corpus(tmp_path / "kind", [{"id": "a", "file": "folder"}], {})
    with pytest.raises(ValueError, match=r"kind\.tar: folder is not a file"):
        list(read_corpus(tmp_path / "kind"))


def test_only_noise_of_the_split_is_read(tmp_path: Path) -> None:
    rows = [{"id": i, "file": f"{i}.wav", "split": split} for i, split in (("a", "train"), ("b", "test"), ("c", "train"))]
    write_corpus(tmp_path / "noise", rows, {f"{i}.wav": (tone(300, 0.1), SAMPLE_RATE_HZ) for i in "abc"})
    assert [u.id for u in read_corpus_split(tmp_path / "noise", "train")] == ["a", "c"]


def test_text_lines_lower_what_is_all_capitals(tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text("AND MISTER BROWN\n", encoding="utf-8")
    (tmp_path / "a.txt").write_text("Turn it off.\nOK Bob\n", encoding="utf-8")
    assert list(text_lines(tmp_path)) == ["Turn it off.", "OK Bob", "and mister brown"]


# ---- sounds without words


def write_noise(data: Path) -> None:
    (data / "noise").mkdir(parents=True)
    rows = [{"id": i, "file": f"{i}.wav", "split": split} for i, split in (("fan", "train"), ("rain", "test"))]
    write_corpus(data / "noise" / "noise", rows, {f"{i}.wav": (tone(200, 0.5), SAMPLE_RATE_HZ) for i in ("fan", "rain")})


@pytest.mark.parametrize("seconds", [3.0, 5.0])
def test_wordless_sounds_are_noise_for_training_and_what_can_be_made(tmp_path: Path, seconds: float) -> None:
    write_noise(tmp_path)
    options = Prepare(tmp_path, tmp_path, tmp_path)
    sounds = dict(wordless_sounds([Utterance("u", "", tone(300, seconds))], options))
    kinds = Counter(name.split("-")[0] for name in sounds)
    assert kinds.keys() == {"fan", "colored", "tones"} | ({"babble"} if seconds > 4 else set())  # too short for a crowd
    assert kinds["fan"] == 1
    np.testing.assert_allclose(sounds["fan"], tone(200, 0.5), atol=1 / 32768)
    for name, samples in sounds.items():
        assert samples.dtype == np.float32
        assert np.isfinite(samples).all()
        assert np.abs(samples).mean() > 0.01
        assert name == "fan" or len(samples) == 12 * SAMPLE_RATE_HZ
    again = islice(wordless_sounds([Utterance("u", "", tone(300, seconds))], options), 4)
    assert all(np.array_equal(sounds[name], samples) for name, samples in again)


# ---- encoder states


def test_states_on_disk_are_those_of_the_encoder(captioner: CaptionerModel, tmp_path: Path) -> None:
    """Each with a second of silence after it, without the padding of the batch."""
    whisper = Whisper(captioner.config.whisper).eval()
    whisper.encoder.load_state_dict(captioner.encoder.state_dict())
    utterances = [Utterance(f"u{hz}", "", tone(hz, 0.5)) for hz in (300, 500, 900)]
    encode(whisper, utterances, tmp_path)
    states = States(tmp_path, captioner.config.whisper.width)
    count = (len(utterances[0].samples) + TAIL_SAMPLES) // FRAME_SAMPLES
    for u in utterances:
        mel = torch.from_numpy(log_mel(np.pad(u.samples, (0, TAIL_SAMPLES))))
        expected = captioner.encoder(mel[None])[0].numpy()
        assert states[u.id].shape == (count, captioner.config.whisper.width)
        np.testing.assert_allclose(states[u.id].astype(np.float32), expected, atol=5e-3)
    assert states.data.shape[0] == 3 * count
    with pytest.raises(KeyError):
        states["u301"]


def test_states_of_many_batches_and_lengths_follow_each_other(captioner: CaptionerModel, tmp_path: Path) -> None:
    whisper = Whisper(captioner.config.whisper).eval()
    utterances = [Utterance(f"u{i}", "", tone(300, 0.02 * (i + 1))) for i in range(BATCH + 3)]
    encode(whisper, utterances, tmp_path)
    states = States(tmp_path, captioner.config.whisper.width)
    frames = [len(states[u.id]) for u in utterances]
    assert frames == [50 + i + 1 for i in range(BATCH + 3)]
    assert len(states.data) == sum(frames)
    assert all(np.array_equal(states.data[sum(frames[:i]) :][: frames[i]], states[f"u{i}"]) for i in range(len(frames)))


# ---- all of it


def test_untimed_label_is_its_text(tokenizer: Tokenizer) -> None:
    row = json.loads(json.dumps(untimed(Utterance("s", "hello ada", tone(300, 0.1), written="Hello, Ada!"), tokenizer)))
    assert (row["id"], row["text"]) == ("s", "Hello, Ada!")
    assert tokenizer.decode(row["ids"]) == " Hello, Ada!"
    label = label_of(row, 5, tokenizer)
    assert label.center is None
    assert label.words.tolist() == [0] * len(" Hello,") + [1] * len(" Ada!")


@pytest.fixture
def asked(whisper_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Prepare:
    """Two recorded corpora with and without text, a synthetic one, and a tiny teacher with the ids of its own tokenizer."""
    folder, data = tmp_path / "whisper", tmp_path / "data"
    shutil.copytree(whisper_folder, folder)
    source = Tokenizer.from_file(str(folder / "tokenizer.json"))
    settings = {"suppress_tokens": [3], "alignment_heads": [[0, 1], [1, 0]]}
    (folder / "generation_config.json").write_text(json.dumps(settings), encoding="utf-8")
    for name, token in (("END", "<|endoftext|>"), ("START", "<|startoftranscript|>"), ("NO_TIMESTAMPS", "<|notimestamps|>")):
        monkeypatch.setattr(teacher, name, source.token_to_id(token))
    write_noise(data)
    for part in ("train", "text"):
        (data / part).mkdir()
    (data / "text" / "lines.txt").write_text("Turn it off.\n", encoding="utf-8")
    recordings = {"a.wav": (tone(300, 0.9), SAMPLE_RATE_HZ), "b.wav": (tone(500, 0.5), SAMPLE_RATE_HZ)}
    write_corpus(data / "train" / "told", [{"id": "a", "file": "a.wav", "text": "turn it off"}], recordings)
    write_corpus(data / "train" / "bare", [{"id": "b", "file": "b.wav"}], recordings)
    row = {"id": "s", "file": "a.wav", "text": "hello ada", "written": "Hello, Ada!"}
    write_corpus(data / "made", [row], recordings)
    return Prepare(data, folder, tmp_path / "cache", corpora=("told", "bare"), synthetic=(data / "made",))


def test_main_writes_what_training_reads(asked: Prepare) -> None:
    main(asked)
    tokenizer = Tokenizer.from_file(str(asked.cache / "tokenizer.json"))
    labels = {label.id: label for label in read_labels(asked.cache, tokenizer)}
    assert {"a", "s"} <= labels.keys() <= {"a", "b", "s"}  # what a random teacher says of `b` may be believed or not
    assert normalize(labels["a"].text) == "turn it off"
    assert labels["s"].text == "Hello, Ada!"
    assert labels["s"].center is None
    for label in labels.values():
        assert tokenizer.decode(label.ids.tolist()) == " " + label.text
        assert label.soft_ids.shape == label.soft.shape == (len(label.ids), SOFT)
    center, soft = labels["a"].center, labels["a"].soft
    assert center is not None
    assert (np.diff(center) > 0).all()
    assert 0 <= center[0] < center[-1] < (0.9 + 1) * SAMPLE_RATE_HZ / FRAME_SAMPLES
    assert (np.diff(soft) <= 0).all()
    assert ((soft.sum(1) > 0) & (soft.sum(1) < 1.001)).all()
    audio = Recordings(asked.cache / "audio")
    np.testing.assert_allclose(audio["b"], tone(500, 0.5), atol=2 / 32768)
    timeline = SampleMaker(asked.cache, 8, tokenizer.get_vocab_size(), Masking())
    assert {label.id for label in wordless(asked.cache)} >= {"fan", "tones-0", "colored-11"}
    assert all(timeline.sample(label, np.random.default_rng(0)) for label in wordless(asked.cache)[:2])


def test_soft_targets_are_what_the_teacher_expects_in_our_ids(asked: Prepare) -> None:
    main(asked)
    tokenizer, source = (Tokenizer.from_file(str(folder / "tokenizer.json")) for folder in (asked.cache, asked.whisper))
    theirs, whisper = source_ids(tokenizer, source), load_whisper(asked.whisper)
    for label in read_labels(asked.cache, tokenizer):
        if label.center is not None:
            states = States(asked.cache, whisper.config.width)[label.id].astype(np.float32)
            logits = teacher.read(whisper, torch.from_numpy(states), [theirs[i] for i in label.ids], [(0, 1)]).logits
            for ids, row in zip(label.soft_ids.tolist(), logits, strict=True):  # never blank
                assert ids == (1 + np.argsort(-row[theirs[1:]])[:SOFT]).tolist()


def test_main_keeps_what_is_there(asked: Prepare, monkeypatch: pytest.MonkeyPatch) -> None:
    main(asked)
    before = {path.name: path.read_bytes() for path in asked.cache.iterdir()}
    assert not [name for name in before if name.endswith(".part")]
    (asked.cache / "labels.jsonl").unlink()  # stopped in the last step

    def not_again(*_: object) -> None:
        raise AssertionError("done a second time")

    for step in ("encode", "transcribe", "write_recordings", "trim_tokenizer"):
        monkeypatch.setattr(prepare, step, not_again)
    main(asked)
    assert {path.name: path.read_bytes() for path in asked.cache.iterdir()} == before


# ---- writing


@pytest.mark.parametrize(
    ("transcript", "teacher", "expected"),
    [
        ("hello world", "Hello, world!", "Hello, world!"),
        ("mister smith paid twenty dollars", "Mr. Smith paid $20.", "Mr. Smith paid $20."),
        # marks and case move to the words that both have; the transcript's words stand where the teacher erred
        ("well i saw john at the cat show", "Well, I saw John at the hat show!", "Well, I saw John at the cat show!"),
        ("mister smith paid twenty dollars for the cat", "Mr. Smith paid $20 for the hat.", "Mr. Smith paid $20 for the cat"),
        ("the cat is here", "Cat is here.", "The Cat is here."),
        ("the cat", "The cat. Thank you.", "The cat."),
        ("their house", "There house", "Their house"),
        ("hello there", "", "Hello there"),
        ("", "Whatever it heard.", "Whatever it heard."),
        ("", "", ""),
    ],
)
def test_transcript_takes_the_teachers_writing(transcript: str, teacher: str, expected: str) -> None:
    assert written(transcript, teacher) == expected


LOOP = " ".join(["and then he said"] * 8)


def test_looped_teacher_text_is_not_believed() -> None:
    assert looped(LOOP)
    assert not looped("and then he said " * 2 + "that it was late and so he went back home to sleep")
    assert written("", LOOP) == ""
    assert normalize(written("and then he said good night", LOOP)) == "and then he said good night"


WORDS = ["the", "cat", "sat", "on", "a", "mat", "john", "went", "home"]
TEACHER_WORD = st.builds(
    lambda word, mark, capital: (word.capitalize() if capital else word) + mark,
    st.sampled_from(WORDS),
    st.sampled_from(["", "", ",", ".", "!"]),
    st.booleans(),
)


@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=10), st.lists(TEACHER_WORD, max_size=10))
def test_words_are_always_those_of_the_transcript(words: list[str], teacher: list[str]) -> None:
    assert normalize(written(" ".join(words), " ".join(teacher))).split() == words
