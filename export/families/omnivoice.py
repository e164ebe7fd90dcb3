"""OmniVoice: Qwen3's layers with full attention, eight streams of speech codes in and eight heads out. Knows its prompt.

The prompt is markers around a language, a style and the text, then the frames of a reference voice if there is one. Settings are
those of omnivoice 0.2.1. Its codec is Higgs Audio's, in a folder of the checkpoint.
"""

from dataclasses import replace
from importlib.resources import files
from typing import Any

from tokenizers import Tokenizer

from unmask.bundle.manifest import Streams
from unmask.bundle.task_template import AnswerSpan, Template
from unmask.decoding.schedule import Reference, Schedule
from unmask.errors import InputError
from unmask.export.checkpoint.config import check_config
from unmask.export.families import qwen
from unmask.export.families.adapter import Tasks, Traits, need, one
from unmask.export.modules.backbone import BackboneConfig

MODEL_TYPES = ("omnivoice",)
INNER, TIED = "llm_config", "tie_word_embeddings"
KEYS = (INNER, "audio_vocab_size", "audio_mask_id", "num_audio_codebook", "audio_codebook_weights")
EMBEDDING, STREAMS, HEAD = "llm.embed_tokens.weight", "audio_embeddings.weight", "audio_heads.weight"
SKIPPED = ("codebook_layer_offsets",)
MASK_TOKEN = "<|text_end|>"  # its masks are codes; no token of the tokenizer stands for one
VOCABULARY_KEY = qwen.VOCABULARY_KEY
FOLDER = "audio_tokenizer"
CODECS = {"higgs": FOLDER, "higgs-voice": FOLDER}
LICENSE = "CC-BY-NC for the published weights, as their card says: no commercial use; a checkpoint of your own has your license"
MARKS = ("denoise", "lang_start", "lang_end", "instruct_start", "instruct_end", "text_start", "text_end")
SPEECH, FRAMES_PER_SECOND = "speech", 25.0
LENGTH = 250  # frames of an answer of which nothing is said; texts have lengths of their own (`unmask.voice.duration`)

STYLE = "<|lang_start|>{language}<|lang_end|><|instruct_start|>{instruct}<|instruct_end|>"
SAY = STYLE + "<|text_start|>{text}<|text_end|>"
CLONE = "<|denoise|>" + STYLE + "<|text_start|>{transcript} {text}<|text_end|>{voice}"
NONE = {"language": "None", "instruct": "None"}  # as the published code writes what is not said
STYLES = (
    ("male=男", "female=女"),
    ("child=儿童", "teenager=少年", "young adult=青年", "middle-aged=中年", "elderly=老年"),
    ("very low pitch=极低音调", "low pitch=低音调", "moderate pitch=中音调", "high pitch=高音调", "very high pitch=极高音调"),
    ("whisper=耳语",),
    (
        *(f"{who} accent=" for who in ("american", "british", "australian", "canadian", "indian")),
        *(f"{who} accent=" for who in ("chinese", "japanese", "korean", "portuguese", "russian")),
        *(f"={where}话" for where in ("河南", "陕西", "四川", "贵州", "云南", "桂林")),
        *(f"={where}话" for where in ("济南", "石家庄", "甘肃", "宁夏", "青岛", "东北")),
    ),
)
"""Words of a style, in groups that exclude each other (`unmask.voice.style`)."""
LANGUAGES = "omnivoice_languages.tsv"  # id (ISO 639, mostly 639-3) and English name of each, as omnivoice 0.2.1 knows them
PUBLISHED = Reference(
    "omnivoice", steps=32, algorithm="probability", guidance=2.0, shift=0.1, position_temperature=5.0, stream_penalty=5.0
)
TRIMMED = Schedule(
    passes=10,
    rule="quota",
    curve="shifted",
    shift=0.1,
    position_temperature=5.0,
    stream_penalty=5.0,
    guidance=2.0,
    guided="first",
    reuse=True,
    window="suffix",
)
"""Its loss against the published decoding is not measured, for want of weights."""
TINY = {
    "model_type": MODEL_TYPES[0],
    "audio_vocab_size": 1025,
    "audio_mask_id": 1024,
    "num_audio_codebook": 8,
    INNER: {
        **{key: value for key, value in qwen.TINY.items() if key != TIED},
        "model_type": "qwen3",
        "num_hidden_layers": 3,
        "head_dim": 32,
        "max_position_embeddings": 4096,
        TIED: True,
    },
}
SHAPES: dict[str, dict[str, Any]] = {}


def config(raw: dict[str, Any]) -> BackboneConfig:
    inner = need(raw, INNER)
    if not isinstance(inner, dict) or inner.get("model_type") != "qwen3":
        raise InputError(f"config.json has {INNER} of another model than qwen3, which the exported graphs do not compute")
    check_config(inner)
    streams = _streams(raw)
    own = {**{key: raw[key] for key in (VOCABULARY_KEY,) if key in raw}, **inner}
    sizes = qwen.sizes(own, qkv_bias=False, qk_norm=True)
    return replace(sizes, tied=False, streams=streams.count * streams.stride)


def _streams(raw: dict[str, Any]) -> Streams:
    count, ids, mask = (need(raw, key) for key in ("num_audio_codebook", "audio_vocab_size", "audio_mask_id"))
    if not all(isinstance(value, int) and value > 0 for value in (count, ids, mask)) or mask != ids - 1:
        raise InputError(
            f"config.json has {count} streams of {ids} ids with the mask {mask}; the mask is known as the last of them"
        )
    return Streams(SPEECH, count, mask, FRAMES_PER_SECOND)


def names(sizes: BackboneConfig) -> dict[str, str]:
    """Our parameter -> the checkpoint's tensor."""
    return {ours: theirs.replace("model.", "llm.", 1) for ours, theirs in qwen.names(sizes).items()}


def traits(raw: dict[str, Any], tokenizer: Tokenizer, block: int | None) -> Traits:
    if lacking := [f"<|{mark}|>" for mark in MARKS if tokenizer.token_to_id(f"<|{mark}|>") is None]:
        raise InputError(
            f"the tokenizer lacks {', '.join(lacking)}, the marks of its prompt; download the tokenizer's files again"
        )
    streams, rows = _streams(raw), config(raw).vocabulary
    ranges = {"text": (0, rows), SPEECH: (rows, rows + streams.count * streams.stride)}
    longest = raw[INNER].get("max_position_embeddings")
    end, mask, note = one(need(raw, "eos_token_id")), rows + streams.codes, f"license: {LICENSE}"
    return Traits(mask, end, 0, "full", None, longest, _tasks(), ranges, streams=streams, languages=languages(), notes=(note,))


def languages() -> dict[str, str]:
    """Id -> English name. No file of a checkpoint lists them."""
    lines = files(__package__).joinpath(LANGUAGES).read_text(encoding="utf-8").splitlines()
    return dict(line.split("\t") for line in lines)


def _tasks() -> Tasks:
    answer, choices = (AnswerSpan(SPEECH, LENGTH),), {"instruct": STYLES}
    said = {"text": "text", **dict.fromkeys(NONE, "text")}
    templates = {
        "tts": Template(SAY, said, answer, PUBLISHED, defaults=NONE, choices=choices),
        "clone": Template(
            CLONE, {**said, "transcript": "text", "voice": SPEECH}, answer, PUBLISHED, defaults=NONE, choices=choices
        ),
    }
    return templates, dict.fromkeys(templates, TRIMMED)
