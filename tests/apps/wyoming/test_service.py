"""`unmask wyoming` with the protocol's own client: streamed transcripts, speech, answers, and who misbehaves."""

import asyncio
import contextlib
import json
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soxr
from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.event import Event, async_read_event
from wyoming.info import Describe, Info
from wyoming.ping import Ping
from wyoming.tts import Synthesize, SynthesizeVoice
from zeroconf.asyncio import AsyncServiceBrowser, AsyncZeroconf

from tests.apps.conftest import CLIPS, Command, start
from tests.apps.wyoming.conftest import Place, answers, free_port, spoken
from unmask import Captioner
from unmask.apps.audio.files import read_recording
from unmask.apps.wyoming.models import Models
from unmask.apps.wyoming.service import KIND, announced
from unmask.errors import InputError
from unmask.session import Session, open_model
from unmask.speech.live import LiveOptions
from unmask.voice.saying import SayOptions
from unmask.voice.voice import Voice

Served = Callable[..., Any]
SAID = "inadequacy of the jail"


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    return read_recording(CLIPS / "lj-jail.flac")


def texts(events: list[Event], kind: str) -> list[str]:
    return [event.data["text"] for event in events if event.type == kind]


def test_text_streams_and_the_transcript_is_all_of_it(served: Served, speech: np.ndarray) -> None:
    async def talk(place: Place) -> tuple[list[str], list[Event]]:
        """Chunks that come before audio-stop are those that came while somebody spoke."""
        async with place.client() as client:
            *sound, stop = spoken(speech, asked=Transcribe(language="en"))
            for record in sound:
                await client.write_event(record.event())
            early = [event async for event in answers(client, "transcript-chunk")]
            await client.write_event(stop.event())
            return texts(early, "transcript-chunk"), [*early, *[event async for event in answers(client, "transcript-stop")]]

    early, events = served(talk)
    kinds = [event.type for event in events]
    assert kinds[0] == "transcript-start"
    assert kinds[-2:] == ["transcript", "transcript-stop"]
    assert set(kinds[1:-2]) == {"transcript-chunk"}
    assert early
    (text,) = texts(events, "transcript")
    assert "".join(texts(events, "transcript-chunk")) == text
    assert SAID in text


@pytest.mark.parametrize(("rate", "width", "channels"), [(48_000, 2, 2), (22_050, 4, 1), (8_000, 2, 1)])
def test_sound_of_any_format_is_heard(served: Served, speech: np.ndarray, rate: int, width: int, channels: int) -> None:
    sound = np.repeat(soxr.resample(speech, 16_000, rate)[:, None], channels, 1)
    events = served(lambda place: place.ask(*spoken(sound, rate, width), until="transcript-stop"))
    assert "jail" in texts(events, "transcript")[0]


def test_utterances_follow_on_one_connection_and_silence_has_no_text(served: Served, speech: np.ndarray) -> None:
    async def talk(place: Place) -> list[str]:
        async with place.client() as client:
            found = []
            for samples in (np.zeros(16_000, np.float32), speech, np.zeros(0, np.float32)):
                for record in spoken(samples):
                    await client.write_event(record.event())
                found += texts([event async for event in answers(client, "transcript-stop")], "transcript")
            return found

    silent, said, nothing = served(talk)
    assert (silent, nothing) == ("", "")
    assert SAID in said


def test_names_that_the_client_expects_are_raised(served: Served, shipped: Captioner, speech: np.ndarray) -> None:
    asked = Transcribe(transcript_names=["Jael"], transcript_terms=["grand jury"])
    events = served(lambda place: place.ask(*spoken(speech[:32_000], asked=asked), until="transcript-stop"))
    assert "inadequacy" in texts(events, "transcript")[0]
    wrong = served(lambda place: place.ask(*spoken(speech, asked=Transcribe(transcript_names=["..."])), until="transcript"))
    assert texts(wrong, "error") == ["'...' is no phrase; one has letters or digits, and at most 100 characters"]


def test_clients_at_once_get_their_own_text(served: Served) -> None:
    clips = {name: read_recording(CLIPS / f"{name}.flac") for name in ("lj-jail", "austen-dashwood", "librispeech-533")}

    async def talk(place: Place) -> list[list[Event]]:
        return await asyncio.gather(*(place.ask(*spoken(clip), until="transcript-stop") for clip in clips.values()))

    jail, austen, libri = (texts(events, "transcript")[0] for events in served(talk))
    assert "jail" in jail
    assert "Dashwood" in austen
    assert "unusual" in libri


def test_it_says_what_it_does(served: Served) -> None:
    (event,) = served(lambda place: place.ask(Describe(), until="info"))
    info = Info.from_event(event)
    (program,) = info.asr
    assert program.supports_transcript_streaming
    assert [(model.name, model.languages) for model in program.models] == [("moonshine-tiny-en", ["en"])]
    assert (info.tts, info.handle) == ([], [])
    (pong,) = served(lambda place: place.ask(Ping(text="x"), until="pong"))
    assert pong.data == {"text": "x"}


# ---- speech and answers


@pytest.fixture(scope="module")
def session(media: Path) -> Session:
    return open_model(media).load()


@pytest.mark.slow
def test_a_bundle_speaks_and_is_listed(served: Served, shipped: Captioner, session: Session) -> None:
    with ThreadPoolExecutor(1) as worker:
        models = Models(shipped, LiveOptions(), generator=(session, worker))
        info, *sound = served(lambda place: place.ask(Describe(), Synthesize("Hi."), until="audio-stop"), models)
    assert [voice.name for voice in Info.from_event(info).tts[0].voices] == [session.bundle.manifest.name]
    assert [event.type for event in (sound[0], sound[-1])] == ["audio-start", "audio-stop"]
    heard = np.frombuffer(b"".join(AudioChunk.from_event(event).audio for event in sound[1:-1]), "<i2")
    own = session.run("tts", {"text": "Hi."}).media["speech"]  # type: ignore[union-attr]
    assert AudioStart.from_event(sound[0]).rate == 22_050
    np.testing.assert_allclose(heard / 32767, np.clip(own, -1, 1), atol=1e-4)


def test_voices_and_languages_are_listed_and_chosen(served: Served, shipped: Captioner, voice: Path) -> None:
    session = open_model(voice).load()
    assert session.streams is not None
    codes = np.random.default_rng(0).integers(0, 1024, 8 * 40).tolist()
    voices = {"ann": Voice.of(codes, "Yes, it is so.", 0.05, session.streams.streams)}
    own = session.bundle.manifest.name

    async def talk(place: Place) -> tuple[list[Event], list[list[Event]]]:
        asked = [{"name": "ann"}, {"name": own}, {"language": "de-DE"}]
        said = [await place.ask(Synthesize("Bitte.", SynthesizeVoice(**one)), until="audio-stop") for one in asked]
        wrong = [{"name": "bob"}, {"name": "ann", "speaker": "x"}, {"language": "qq"}]
        refused = [await place.ask(Synthesize("Bitte.", SynthesizeVoice(**one)), until="error") for one in wrong]
        return [*await place.ask(Describe(), until="info"), *(events[-1] for events in refused)], said

    with ThreadPoolExecutor(1) as worker:
        models = Models(shipped, LiveOptions(), generator=(session, worker), voices=voices)
        (info, *refused), said = served(talk, models)
    listed = Info.from_event(info).tts[0].voices
    assert [one.name for one in listed] == [own, "ann"]
    assert {"de", "yue", "arb"} < set(listed[0].languages)
    told = [event.data["text"] for event in refused]
    assert "no voice 'bob' here; there is default, ann" in told[0]
    assert "no speaker 'x'" in told[1]
    assert "none of the 646" in told[2]
    sounds = [b"".join(AudioChunk.from_event(event).audio for event in events[1:-1]) for events in said]
    for sound, options in zip(sounds, (SayOptions(voices["ann"]), SayOptions(), SayOptions(language="de")), strict=True):
        own_sound = np.concatenate([part.samples for part in session.say("Bitte.", options)])
        np.testing.assert_allclose(np.frombuffer(sound, "<i2") / 32767, own_sound, atol=1e-4)


def test_a_bundle_answers(served: Served, shipped: Captioner, backbones: dict[str, Path]) -> None:
    session = open_model(backbones["dream"]).load()
    with ThreadPoolExecutor(1) as worker:
        models = Models(shipped, LiveOptions(), generator=(session, worker))
        found = served(lambda place: place.ask(Describe(), Transcript("Why?"), until="handled"), models)
    own = session.run("chat", {"text": "Why?"}).text.strip() if "chat" in session.tasks else ""
    assert [model.name for model in Info.from_event(found[0]).handle[0].models] == [session.bundle.manifest.name]
    assert found[-1].data["text"] == own


def test_what_no_bundle_does_is_told(served: Served) -> None:
    for record in (Synthesize("Hi."), Transcript("Why?")):
        (event,) = served(lambda place, record=record: place.ask(record, until="error"))
        assert "start it with --generator" in event.data["text"]


# ---- clients that misbehave


@pytest.mark.parametrize(
    ("records", "reason"),
    [
        ([Transcribe(language="de")], "the language 'de' is not known here; en is"),
        ([Transcribe(name="whisper")], "there is no model 'whisper' here; moonshine-tiny-en is"),
        ([AudioStop()], "audio-stop came before audio-start"),
        ([AudioChunk(16_000, 2, 1, bytes(2))], "came before audio-start"),
        ([AudioStart(16_000, 3, 1)], "3 bytes a sample"),
        ([AudioStart(1, 2, 1)], "sound of 1 Hz"),
        ([AudioStart(16_000, 2, 1), AudioChunk(16_000, 2, 1, bytes(3))], "no whole samples"),
        ([AudioStart(16_000, 2, 1), AudioChunk(8_000, 2, 1, bytes(2))], "changed after audio-start"),
    ],
)
def test_an_error_is_told_and_the_connection_goes_on(served: Served, speech: np.ndarray, records: list[Any], reason: str) -> None:
    async def talk(place: Place) -> tuple[list[Event], list[Event]]:
        async with place.client() as client:
            for record in records:
                await client.write_event(record.event())
            wrong = [event async for event in answers(client, "error")]
            for record in spoken(speech[:32_000]):
                await client.write_event(record.event())
            return wrong, [event async for event in answers(client, "transcript-stop")]

    wrong, after = served(talk)
    assert reason in texts(wrong, "error")[0]
    assert "inadequacy" in texts(after, "transcript")[0]


@pytest.mark.parametrize(
    "data",
    [
        b"hello\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"[1]\n",
        b"{}\n",
        b"[" * 60_000 + b"\n",
        b"x" * 200_000,
        json.dumps({"type": "audio-chunk", "payload_length": 2 << 30}).encode() + b"\n",
        json.dumps({"type": "audio-chunk", "payload_length": "many"}).encode() + b"\n",
        json.dumps({"type": "transcribe", "data_length": 3}).encode() + b"\nabc",
    ],
    ids=["text", "http", "list", "empty", "deep", "long", "huge", "wrong", "data"],
)
def test_what_is_no_event_ends_the_connection_with_a_reason(served: Served, data: bytes) -> None:
    async def talk(place: Place) -> tuple[Event | None, list[Event]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", place.port)
        writer.write(data)
        told = await asyncio.wait_for(async_read_event(reader), 30)
        with contextlib.suppress(ConnectionError):  # what was not read is lost
            assert await asyncio.wait_for(reader.read(), 30) == b""
        writer.close()
        return told, await place.ask(Describe(), until="info")

    told, after = served(talk)
    assert told is not None
    assert told.type == "error"
    assert after[0].type == "info"


def test_one_client_too_many_is_told_and_one_that_vanishes_is_forgotten(served: Served, speech: np.ndarray) -> None:
    async def talk(place: Place) -> tuple[Event | None, list[Event]]:
        async with place.client() as first:
            await first.write_event(AudioStart(16_000, 2, 1).event())
            async with place.client() as second:
                refused = await asyncio.wait_for(second.read_event(), 30)
        for _ in range(500):
            found = await place.ask(Describe(), until="info")
            if found[0].type == "info":
                return refused, found
            await asyncio.sleep(0.01)
        raise AssertionError("the place is never free again")

    refused, after = served(talk, clients=1)
    assert refused is not None
    assert refused.data["code"] == "busy"
    assert after[0].type == "info"


# ---- the command


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_the_command_serves_and_ends_cleanly(speech: np.ndarray, number: signal.Signals) -> None:
    port = free_port()
    process = start("wyoming", "--uri", f"tcp://127.0.0.1:{port}")
    try:
        assert process.stderr
        assert process.stderr.readline() == f"unmask: speech to text at tcp://127.0.0.1:{port}  (Ctrl-C stops)\n"
        events = asyncio.run(asked(port, speech))
        assert SAID in texts(events, "transcript")[0]
        process.send_signal(number)
        assert process.communicate(timeout=20) == ("", "")
        assert process.returncode == 0
    finally:
        if process.poll() is None:
            process.kill()


async def asked(port: int, speech: np.ndarray) -> list[Event]:
    for _ in range(500):
        try:
            (await asyncio.open_connection("127.0.0.1", port))[1].close()
            break
        except ConnectionError:
            await asyncio.sleep(0.01)
    return await Place(port).ask(*spoken(speech), until="transcript-stop")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--uri", "http://localhost"), "one is tcp://127.0.0.1:10300"),
        (("--uri", "unix:///tmp/x", "--announce", "kitchen"), "is not in a network"),
        (("--clients", "0"), "clients is 0"),
        (("--bundle", "absent"), "absent"),
        (("--generator", "models/moonshine-tiny-en"), "this bundle captions"),
        (("--uri", "tcp://203.0.113.9:10300"), "cannot listen on"),
    ],
)
def test_options_that_cannot_be(command: Command, fp32_bundle: Path, options: tuple[str, ...], reason: str) -> None:
    result = command("wyoming", *(() if "--bundle" in options else ("--bundle", fp32_bundle)), *options)
    assert (result.code, result.out) == (2, "")
    assert reason in result.err.splitlines()[-1]


def test_it_is_found_in_the_local_network() -> None:
    async def main() -> tuple[bool, list[int]]:
        found: list[Any] = []
        async with announced("tcp://127.0.0.1:10300", "unmask-test"), AsyncZeroconf() as network:
            names = [lambda service_type, name, **_: found.append((service_type, name))]
            browser = AsyncServiceBrowser(network.zeroconf, KIND, handlers=names)
            for _ in range(100):
                if any(name == f"unmask-test.{KIND}" for _, name in found):
                    break
                await asyncio.sleep(0.05)
            info = await network.async_get_service_info(KIND, f"unmask-test.{KIND}")
            await browser.async_cancel()
            return bool(found), [info.port or 0] if info else []

    try:
        found, ports = asyncio.run(main())
    except InputError:
        found, ports = False, []
    if not found:
        pytest.skip("no multicast here")
    assert ports == [10300]
