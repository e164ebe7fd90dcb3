"""Transcriptions by OpenAI's own client: every format, streams, and what is refused."""

import io
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import srt
import webvtt

from tests.apps.conftest import CLIPS
from tests.apps.web.endpoints.conftest import Served
from unmask import Captioner
from unmask.apps.audio.files import read_recording

CLIP = CLIPS / "lj-jail.flac"
SAID = "The inadequacy of the jail was noticed and reported upon, again and again by the grand juries of the city of London."


def transcribe(served: Served, path: Path = CLIP, **options: Any) -> Any:
    return served.client().audio.transcriptions.create(model="moonshine-tiny-en", file=path, **options)


def test_the_text_is_what_the_command_prints(served: Served, shipped: Captioner) -> None:
    assert transcribe(served).text == SAID
    assert transcribe(served, response_format="text") == SAID + "\n"
    for path in sorted(CLIPS.glob("*.flac")):
        assert transcribe(served, path).text == shipped.caption(read_recording(path)).text


def test_a_program_that_knows_only_whisper_is_served(served: Served) -> None:
    assert served.client().audio.transcriptions.create(model="whisper-1", file=CLIP, language="en").text == SAID


def test_subtitles_parse(served: Served) -> None:
    cues = list(srt.parse(transcribe(served, response_format="srt")))
    assert " ".join(cue.content.replace("\n", " ") for cue in cues) == SAID
    found = webvtt.from_buffer(io.StringIO(transcribe(served, response_format="vtt")))
    assert [cue.start for cue in found] == [srt.timedelta_to_srt_timestamp(cue.start).replace(",", ".") for cue in cues]
    assert " ".join(cue.text.replace("\n", " ") for cue in found) == SAID


def test_words_and_segments_have_times(served: Served, shipped: Captioner) -> None:
    plain = transcribe(served, response_format="verbose_json")
    own = shipped.caption(read_recording(CLIP))
    assert (plain.text, plain.language, plain.words) == (SAID, "english", None)
    assert plain.duration == pytest.approx(own.audio_s)
    assert [segment.text for segment in plain.segments] == [SAID]
    assert plain.segments[0].start == own.words[0].start_s
    assert plain.segments[0].end == own.words[-1].end_s
    assert plain.segments[0].avg_logprob < 0
    words = transcribe(served, response_format="verbose_json", timestamp_granularities=["word"])
    assert [(w.word, w.start, w.end) for w in words.words] == [(w.text, w.start_s, w.end_s) for w in own.words]
    assert words.segments is None
    both = transcribe(served, response_format="verbose_json", timestamp_granularities=["word", "segment"])
    assert both.words
    assert both.segments


def test_text_streams_segment_by_segment(served: Served, tmp_path: Path) -> None:
    import numpy as np
    import soundfile

    long = tmp_path / "long.wav"
    soundfile.write(long, np.concatenate([read_recording(path) for path in sorted(CLIPS.glob("*.flac"))]), 16_000)
    events = list(transcribe(served, long, stream=True))
    assert [event.type for event in events] == ["transcript.text.delta"] * (len(events) - 1) + ["transcript.text.done"]
    assert len(events) >= 3
    assert "".join(event.delta for event in events[:-1]) == events[-1].text == transcribe(served, long).text


def test_the_queue_is_told(served: Served) -> None:
    answer = served.client().audio.transcriptions.with_raw_response.create(model="whisper-1", file=CLIP)
    assert answer.headers["unmask-queue-ahead"] == "0"
    assert 0 <= float(answer.headers["unmask-queue-seconds"]) < 60


@pytest.mark.parametrize(
    ("options", "param", "reason"),
    [
        ({"language": "de"}, "language", "knows English alone"),
        ({"prompt": "Achior"}, "prompt", "--words"),
        ({"temperature": 0.7}, "temperature", "as at 0"),
        ({"response_format": "diarized_json"}, "response_format", "none of json, text, srt, vtt, verbose_json"),
        ({"timestamp_granularities": ["word"]}, "timestamp_granularities", "only with response_format verbose_json"),
        ({"stream": True, "response_format": "srt"}, "stream", "only with response_format json or text"),
        ({"extra_body": {"best_of": 5}}, "best_of", "does not know it"),
    ],
)
def test_what_is_asked_for_is_answered_or_refused(served: Served, options: dict[str, Any], param: str, reason: str) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        transcribe(served, **options)
    assert refused.value.param == param
    assert reason in refused.value.message


def test_models_are_listed_and_others_are_not_there(served: Served) -> None:
    client = served.client()
    assert [model.id for model in client.models.list()] == ["moonshine-tiny-en"]
    assert client.models.retrieve("moonshine-tiny-en").owned_by == "unmask"
    for call in (
        lambda: client.models.retrieve("gpt-4o"),
        lambda: client.audio.transcriptions.create(model="gpt-4o-transcribe", file=CLIP),
        lambda: client.images.generate(model="gpt-image-1", prompt="a bike"),
        lambda: client.audio.speech.create(model="tts-1", voice="alloy", input="Hello."),
        lambda: client.chat.completions.create(model="gpt-4o", messages=[]),
    ):
        with pytest.raises(openai.NotFoundError):
            call()


@pytest.mark.parametrize("content", [b"", b"RIFF", b"<html></html>" * 99, bytes(100_000)])
@pytest.mark.parametrize("stream", [False, True])
def test_what_is_no_recording_is_told(served: Served, content: bytes, stream: bool) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        served.client().audio.transcriptions.create(model="whisper-1", file=("talk.wav", content), stream=stream)
    assert refused.value.param == "file"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/audio/transcriptions", 405, "method_not_allowed"),
        ("POST", "/v1/models", 405, "method_not_allowed"),
        ("GET", "/v1/absent", 404, "unknown_url"),
        ("POST", "/v1/audio/translations", 404, "unknown_url"),
        ("POST", "/v1/audio/transcriptions", 415, "wrong_content_type"),
    ],
)
def test_errors_have_one_form(served: Served, method: str, path: str, status: int, code: str) -> None:
    answer = httpx.request(method, served.url + path, content=b"{}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert answer.json()["error"]["type"] == "invalid_request_error"


def test_a_form_without_a_file_or_with_a_broken_body_is_told(served: Served) -> None:
    url = f"{served.url}/v1/audio/transcriptions"
    no_file = httpx.post(url, data={"model": "whisper-1"}, files={"other": b"x"})
    assert (no_file.status_code, no_file.json()["error"]["param"]) == (400, "other")
    broken = httpx.post(url, content=b"--x\r\nnonsense", headers={"content-type": "multipart/form-data; boundary=x"})
    assert broken.status_code == 400
    assert broken.json()["error"]["code"] == "missing_field"
