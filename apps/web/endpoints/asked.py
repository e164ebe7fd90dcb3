"""What a request asks for, as frozen records. What is asked for and not answered is refused: nothing is ignored in silence.

Knows fields of OpenAI's API. Knows no model but its name.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from unmask.apps.modalities.voices import OWN
from unmask.apps.web.endpoints.refusals import Refusal, no_model, unsupported

Form = Literal["json", "text", "srt", "vtt", "verbose_json"]
SOUND_FORMS = {"wav": "WAV", "flac": "FLAC", "mp3": "MP3", "opus": "OGG", "pcm": "RAW"}
"""Format of speech that is asked for -> libsndfile's name of it."""
ANY_MODEL = "whisper-1"
"""The name that programs send which know no other. It stands for the captioner, whatever that is."""
PROMPT_CHARACTERS = 4096


@dataclass(frozen=True)
class Transcription:
    """What `POST /v1/audio/transcriptions` asks for."""

    form: Form = "json"
    words: bool = False
    """verbose_json has words with times."""
    segments: bool = True
    """verbose_json has segments with times."""
    stream: bool = False


@dataclass(frozen=True)
class Picture:
    """What `POST /v1/images/generations` asks for."""

    prompt: str
    seed: int | None = None


@dataclass(frozen=True)
class Spoken:
    """What `POST /v1/audio/speech` asks for."""

    text: str
    form: str = "wav"
    speed: float = 1.0
    voice: str | None = None
    """None: the model's own."""
    style: str | None = None
    language: str | None = None


def read_transcription(form: Mapping[str, list[str]], model: str) -> Transcription:
    """form: the values of each field but the file. Raises Refusal."""
    known = {"model", "language", "prompt", "response_format", "temperature", "stream", "timestamp_granularities[]"}
    _check_names(form, known | {"timestamp_granularities", "chunking_strategy"})
    _check_model(_one(form, "model"), (model, ANY_MODEL))
    language = _one(form, "language").casefold()
    if language not in ("", "en", "english") and not language.startswith("en-"):
        raise unsupported("language", f"{model} knows English alone")
    if _one(form, "prompt"):
        raise unsupported("prompt", "the model takes none; `unmask serve --words` lists words that may be said")
    if _one(form, "temperature") not in ("", "0", "0.0"):
        raise unsupported("temperature", "the text is the most likely one, as at 0; leave it out")
    if _one(form, "chunking_strategy") not in ("", "auto"):
        raise unsupported("chunking_strategy", "recordings are cut at their quietest points, as auto does; leave it out")
    wanted = _choice(form, "response_format", get_args(Form), "json")
    given = [*form.get("timestamp_granularities[]", []), *form.get("timestamp_granularities", [])]
    for granularity in given:
        if granularity not in ("word", "segment"):
            raise unsupported("timestamp_granularities", f"{granularity!r} is none of word, segment")
        if wanted != "verbose_json":
            raise unsupported("timestamp_granularities", "only with response_format verbose_json")
    stream = _choice(form, "stream", ("false", "true"), "false") == "true"
    if stream and wanted not in ("json", "text"):
        raise unsupported("stream", "only with response_format json or text")
    return Transcription(wanted, "word" in given, "segment" in given or not given, stream)  # type: ignore[arg-type]


def read_picture(body: Mapping[str, object], model: str) -> Picture:
    """Raises Refusal."""
    known = {"model", "prompt", "n", "size", "response_format", "output_format", "seed"}
    _check_names(body, known)
    _check_model(body.get("model", model), (model,))
    for name, values in {
        "n": (1, None),
        "size": ("auto", None),
        "response_format": ("b64_json", None),
        "output_format": ("png", None),
    }.items():
        if body.get(name) not in values:
            raise unsupported(name, f"{body[name]!r} is not possible here; {' or '.join(map(repr, filter(None, values)))} is")
    seed = body.get("seed")
    if seed is not None and not (isinstance(seed, int) and not isinstance(seed, bool) and 0 <= seed < 1 << 32):
        raise unsupported("seed", "a whole number from 0 to 4294967295 is needed")
    return Picture(_text(body, "prompt"), seed)


def read_spoken(body: Mapping[str, object], model: str, paced: bool = False, voices: Collection[str] = ()) -> Spoken:
    """paced: the model can speak faster and slower, in styles and languages. voices: beside its own. Raises Refusal."""
    _check_names(body, {"model", "input", "voice", "instructions", "language", "response_format", "speed", "stream_format"})
    _check_model(body.get("model", model), (model,))
    style, language = (_words(body, name, paced, model) for name in ("instructions", "language"))
    speed = body.get("speed")
    if not paced and speed not in (1, None):
        raise unsupported("speed", "speech has one speed, 1")
    if speed is not None and (isinstance(speed, bool) or not isinstance(speed, int | float) or not 0.25 <= speed <= 4):
        raise unsupported("speed", "a number from 0.25 to 4 is needed")
    if body.get("stream_format") not in ("audio", None):
        raise unsupported("stream_format", "speech comes as audio")
    form = body.get("response_format", "mp3")
    if form not in SOUND_FORMS:
        raise unsupported("response_format", f"{form!r} is none of {', '.join(SOUND_FORMS)}")
    return Spoken(_text(body, "input"), str(form), float(speed or 1), _voice(body, voices), style, language)


def _voice(body: Mapping[str, object], voices: Collection[str]) -> str | None:
    """A name, or OpenAI's object with one."""
    given = body.get("voice")
    name = given.get("id") if isinstance(given, dict) and set(given) == {"id"} else given
    if name in (OWN, None) and given != {"id": None}:
        return None
    if not isinstance(name, str) or name not in voices:
        raise unsupported("voice", f"{name!r} is none of {', '.join((OWN, *voices))}")
    return name


def _words(body: Mapping[str, object], name: str, known: bool, model: str) -> str | None:
    value = body.get(name)
    if value in (None, ""):
        return None
    if not known:
        raise unsupported(name, f"{model} speaks in one way; leave it out")
    if not isinstance(value, str) or len(value) > PROMPT_CHARACTERS:
        raise unsupported(name, f"a text of up to {PROMPT_CHARACTERS} characters is needed")
    return value


def _check_names(given: Collection[str], known: Collection[str]) -> None:
    for name in given:
        if name not in known:
            raise Refusal(400, f"{name}: this server does not know it; leave it out", "unknown_parameter", name)


def _check_model(name: object, known: tuple[str, ...]) -> None:
    if not name:
        raise Refusal(400, "model: a name is needed; GET /v1/models lists them", "missing_field", "model")
    if name not in known:
        raise no_model(name)


def _one(form: Mapping[str, list[str]], name: str) -> str:
    values = form.get(name, [""])
    if len(values) > 1:
        raise unsupported(name, "it is given more than once")
    return values[0]


def _choice(form: Mapping[str, list[str]], name: str, values: Collection[str], default: str) -> str:
    value = _one(form, name).lower() or default
    if value not in values:
        raise unsupported(name, f"{value!r} is none of {', '.join(values)}")
    return value


def _text(body: Mapping[str, object], name: str) -> str:
    text = body.get(name)
    if not isinstance(text, str) or not text.strip():
        raise unsupported(name, "a text is needed")
    if len(text) > PROMPT_CHARACTERS:
        raise unsupported(name, f"{len(text)} characters; {PROMPT_CHARACTERS} are the most")
    return text
