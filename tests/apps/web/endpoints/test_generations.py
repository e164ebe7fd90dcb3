"""Pictures and speech by OpenAI's own client, from a bundle that makes both."""

import base64
import io
import wave
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import openai
import pytest
import soundfile
from PIL import Image

from tests.apps.web.endpoints.conftest import Serve, Served
from unmask.apps.modalities.voices import read_voices
from unmask.errors import InputError
from unmask.session import Session, open_model
from unmask.voice.saying import SayOptions
from unmask.voice.voice import Voice


@pytest.fixture(scope="module")
def session(media: Path) -> Session:
    return open_model(media).load()


@pytest.fixture(scope="module")
def generating(serve: Serve, session: Session) -> Iterator[Served]:
    with ThreadPoolExecutor(1) as worker, serve(generator=(session, worker)) as served:
        yield served


def test_a_picture_is_what_the_session_draws(generating: Served, session: Session) -> None:
    made = generating.client().images.generate(model=session.bundle.manifest.name, prompt="a bike")
    assert made.data
    assert made.data[0].b64_json
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(made.data[0].b64_json))))
    np.testing.assert_array_equal(pixels, session.run("t2i", {"text": "a bike"}).media["image"])  # type: ignore[union-attr]


def spoken(generating: Served, session: Session, form: str) -> bytes:
    name = session.bundle.manifest.name
    options: dict[str, Any] = {"response_format": form}
    return generating.client().audio.speech.create(model=name, voice="default", input="Hi.", **options).content


@pytest.mark.slow
def test_speech_comes_in_each_format(generating: Served, session: Session) -> None:
    samples = session.run("tts", {"text": "Hi."}).media["speech"]  # type: ignore[union-attr]
    with wave.open(io.BytesIO(spoken(generating, session, "wav"))) as file:
        assert (file.getframerate(), file.getnframes()) == (22_050, len(samples))
    pcm = spoken(generating, session, "pcm")
    assert len(pcm) // 2 == pytest.approx(len(samples) * 24_000 / 22_050, abs=2)
    for form, known in (("flac", "FLAC"), ("mp3", "MP3"), ("opus", "OGG")):
        with soundfile.SoundFile(io.BytesIO(spoken(generating, session, form))) as sound:
            assert sound.format == known
            assert sound.frames / sound.samplerate == pytest.approx(len(samples) / 22_050, abs=0.15)


@pytest.mark.parametrize(
    ("options", "param"),
    [
        ({"n": 2}, "n"),
        ({"size": "1024x1024"}, "size"),
        ({"response_format": "url"}, "response_format"),
        ({"quality": "hd"}, "quality"),
        ({"prompt": " "}, "prompt"),
        ({"prompt": "x" * 5000}, "prompt"),
        ({"extra_body": {"seed": -1}}, "seed"),
    ],
)
def test_what_is_not_drawn_is_refused(generating: Served, session: Session, options: dict[str, Any], param: str) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        generating.client().images.generate(**{"model": session.bundle.manifest.name, "prompt": "a bike", **options})
    assert refused.value.param == param


@pytest.mark.parametrize(
    ("options", "param"),
    [
        ({"voice": "alloy"}, "voice"),
        ({"instructions": "female"}, "instructions"),
        ({"extra_body": {"language": "en"}}, "language"),
        ({"speed": 2.0}, "speed"),
        ({"response_format": "aac"}, "response_format"),
        ({"input": ""}, "input"),
    ],
)
def test_what_is_not_said_is_refused(generating: Served, session: Session, options: dict[str, Any], param: str) -> None:
    given = {"model": session.bundle.manifest.name, "voice": "default", "input": "Hi.", **options}
    with pytest.raises(openai.BadRequestError) as refused:
        generating.client().audio.speech.create(**given)
    assert refused.value.param == param


def test_a_bundle_without_the_codec_or_the_task_is_told(serve: Serve, omni: Path, backbones: dict[str, Path]) -> None:
    for folder, reason in ((omni, "has no codec for image"), (backbones["dream"], "has no task that makes image")):
        session = open_model(folder)
        with ThreadPoolExecutor(1) as worker, serve(generator=(session, worker)) as served:
            client = served.client()
            with pytest.raises(openai.NotFoundError, match=reason):
                client.images.generate(model=session.bundle.manifest.name, prompt="a bike")


@pytest.fixture(scope="module")
def saying(voice: Path) -> Session:
    return open_model(voice).load()


@pytest.fixture
def voices(saying: Session, tmp_path: Path) -> dict[str, Voice]:
    assert saying.streams is not None
    codes = np.random.default_rng(0).integers(0, 1024, 8 * 40).tolist()
    (tmp_path / "ann.json").write_text(Voice.of(codes, "Yes, it is so.", 0.05, saying.streams.streams).to_json())
    return read_voices("--voices", tmp_path, saying)


def test_a_voice_a_style_and_a_language_are_those_asked_for(serve: Serve, saying: Session, voices: dict[str, Voice]) -> None:
    model, ask = saying.bundle.manifest.name, {"response_format": "pcm", "input": "Bitte."}
    ways: list[tuple[dict[str, Any], SayOptions]] = [
        ({"voice": "ann"}, SayOptions(voices["ann"])),
        ({"voice": "default", "instructions": "Female, whisper"}, SayOptions(style="female, whisper")),
        ({"voice": "ann", "extra_body": {"language": "German"}}, SayOptions(voices["ann"], "de")),
        ({"voice": "ann", "extra_body": {"voice": {"id": "ann"}}}, SayOptions(voices["ann"])),
    ]
    made = set[bytes]()
    with ThreadPoolExecutor(1) as worker, serve(generator=(saying, worker), voices=voices) as served:
        for asked, options in ways:
            heard = served.client().audio.speech.create(model=model, **ask, **asked).content
            own = np.concatenate([part.samples for part in saying.say("Bitte.", options)])
            np.testing.assert_array_equal(np.frombuffer(heard, "<i2"), (own * 32767).round().astype("<i2"))
            made.add(heard)
        for asked, told in (
            ({"voice": "bob"}, "'bob' is none of default, ann"),
            ({"voice": "default", "extra_body": {"language": "germn"}}, r"near ones: de \(German\)"),
            ({"voice": "default", "instructions": "mail"}, "did you mean 'male'"),
        ):
            with pytest.raises(openai.BadRequestError, match=told):
                served.client().audio.speech.create(model=model, **ask, **asked)
    assert len(made) == 3


def test_folders_of_voices_that_are_none(saying: Session, session: Session, voices: dict[str, Voice], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no voices in it"):
        read_voices("--voices", tmp_path / "none", saying)
    for other in (None, session):
        with pytest.raises(InputError, match="speaks in other voices than its own"):
            read_voices("--voices", tmp_path, other)
    for name, text, told in (
        ("default", voices["ann"].to_json(), "the name of the model's own voice"),
        ("bob", "{}", "no voice that was saved"),
        (
            "bob",
            voices["ann"].to_json().replace("[", "[9999, 0, 0, 0, 0, 0, 0, 0, ", 1),
            "9999 of voice is out of range",
        ),
    ):
        (tmp_path / f"{name}.json").write_text(text)
        with pytest.raises(InputError, match=told):
            read_voices("--voices", tmp_path, saying)
        (tmp_path / f"{name}.json").unlink()
