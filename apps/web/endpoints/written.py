"""Captions in the formats of OpenAI's API. Knows captions and formats. Knows no web framework and no model."""

import json
import math
import zlib
from collections.abc import Sequence

from unmask.apps.captions.subtitles import SubtitleWriter
from unmask.apps.web.endpoints.asked import Transcription
from unmask.speech.captioner import Caption
from unmask.speech.words import Word

LANGUAGE = "english"
MEDIA_TYPES = {"json": "application/json", "verbose_json": "application/json", "text": "text/plain", "srt": "text/plain"}
VTT_TYPE = "text/vtt"


def media_type(form: str) -> str:
    return MEDIA_TYPES.get(form, VTT_TYPE)


def written(asked: Transcription, parts: Sequence[Caption], done: Caption) -> str:
    """The whole answer. parts: of the recording's segments. done: of all of it."""
    if asked.form == "text":
        return done.text + "\n"
    if asked.form == "json":
        return json.dumps({"text": done.text}, ensure_ascii=False)
    if asked.form == "verbose_json":
        return json.dumps(verbose(asked, parts, done), ensure_ascii=False)
    subtitles = SubtitleWriter(asked.form)
    return subtitles.head() + subtitles.add(done.words) + subtitles.rest(done.audio_s)


def verbose(asked: Transcription, parts: Sequence[Caption], done: Caption) -> dict[str, object]:
    found: dict[str, object] = {"task": "transcribe", "language": LANGUAGE, "duration": done.audio_s, "text": done.text}
    if asked.segments:
        found["segments"] = [segment(i, part) for i, part in enumerate(part for part in parts if part.words)]
    if asked.words:
        found["words"] = [{"word": word.text, "start": word.start_s, "end": word.end_s} for word in done.words]
    return found


def segment(number: int, part: Caption) -> dict[str, object]:
    """The fields that clients require. What this model does not have is empty or 0: ids of Whisper's tokens, and how likely
    it is that nobody spoke."""
    first, last, data = part.words[0], part.words[-1], part.text.encode()
    return {
        "id": number,
        "seek": 0,
        "start": first.start_s,
        "end": last.end_s,
        "text": part.text,
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": round(_mean_log(part.words), 4),
        "compression_ratio": round(len(data) / len(zlib.compress(data)), 4),
        "no_speech_prob": 0.0,
    }


def _mean_log(words: Sequence[Word]) -> float:
    return sum(math.log(max(word.confidence, 1e-9)) for word in words) / len(words)


def delta(text: str) -> str:
    """The server-sent event of more text."""
    return _event({"type": "transcript.text.delta", "delta": text})


def finished(done: Caption) -> str:
    """The last server-sent event, with all of the text."""
    return _event({"type": "transcript.text.done", "text": done.text})


def failed(message: str, code: str) -> str:
    """A server-sent event in place of the last one, where the recording breaks off."""
    return _event({"type": "error", "error": {"message": message, "type": "invalid_request_error", "param": None, "code": code}})


def _event(content: dict[str, object]) -> str:
    return f"data: {json.dumps(content, ensure_ascii=False)}\n\n"
