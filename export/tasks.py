"""What the served families are asked and how: prompts, answer layouts, published decodings and our defaults, as data.

Prompts, lengths, steps and penalties of Omni-Diffusion are those of its released code (VITA-MLLM/Omni-Diffusion, inference.py);
Dream's and LLaDA's are their repositories' examples. Knows no checkpoint and no graph.
"""

from collections.abc import Callable

from unmask.bundle.task_template import AnswerSpan, Template
from unmask.decoding.schedule import Reference, Schedule

Token = Callable[[str], int]  # id of a special token

# The trimmed defaults. No weights of these families were at hand: their loss against the published decoding is not measured.
TEXT = Schedule(threshold=0.9, reuse=True, block=32)
IMAGE = Schedule(passes=32, rule="quota", order="negative_entropy", curve="cosine")

QWEN_TURN = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
QWEN_SYSTEM = "<|im_start|>system\n{}<|im_end|>\n"
LLADA_TURN = (
    "<|startoftext|><|start_header_id|>user<|end_header_id|>\n\n{}<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"
)
SPEECH = "<|begin_of_audio|>{speech}<|end_of_audio|>"
IMAGE_INPUT = "<|begin_of_image|>{image}<|end_of_image|>"

Tasks = tuple[dict[str, Template], dict[str, Schedule]]


def dream(end_id: int, chat_end_id: int | None) -> Tasks:
    """Plain completion, and a chat turn where the tokenizer has one (with Qwen's default system message, as Dream's template)."""
    reference = Reference("dream", steps=128, algorithm="entropy", temperature=0.2, top_p=0.95, at_least_one=False)
    templates = {"generate": text_task("{text}", 128, end_id, reference)}
    if chat_end_id is not None:
        prompt = QWEN_SYSTEM.format("You are a helpful assistant.") + QWEN_TURN.format("{text}")
        templates["chat"] = text_task(prompt, 128, chat_end_id, reference)
    return templates, dict.fromkeys(templates, TEXT)


def llada(end_id: int, chat_end_id: int | None) -> Tasks:
    reference = Reference("llada", steps=128, algorithm="low_confidence", top_p=1.0, block=32)
    templates = {"generate": text_task("{text}", 128, end_id, reference)}
    if chat_end_id is not None:
        templates["chat"] = text_task(LLADA_TURN.format("{text}"), 128, chat_end_id, reference)
    return templates, dict.fromkeys(templates, TEXT)


def block(end_id: int, chat_end_id: int | None) -> Tasks:
    """Block-causal models: the schedule's blocks are the model's own. Their published decoding is the threshold rule itself."""
    templates = {"generate": text_task("{text}", 128, end_id, None)}
    if chat_end_id is not None:
        templates["chat"] = text_task(QWEN_TURN.format("{text}"), 128, chat_end_id, None)
    return templates, dict.fromkeys(templates, Schedule(threshold=0.9, reuse=True, window="block"))


def text_task(prompt: str, length: int, end_id: int, reference: Reference | None) -> Template:
    return Template(prompt, {"text": "text"}, (AnswerSpan("text", length, end_id),), reference)


def omni_diffusion(token: Token, newline: int) -> Tasks:
    """The seven tasks. token: id of a special token; newline: the id of a line feed."""
    boa, eoa, boi, eoi, end = map(
        token, ("<|begin_of_audio|>", "<|end_of_audio|>", "<|begin_of_image|>", "<|end_of_image|>", "<|im_end|>")
    )
    picture = (AnswerSpan(ids=(boi,)), AnswerSpan("image", 256), AnswerSpan(ids=(eoi, end, newline)))
    voiced = (AnswerSpan("text", 25), AnswerSpan(ids=(boa,), published=True), AnswerSpan("speech", 102, eoa))

    def user(text: str, system: str = "") -> str:
        return (QWEN_SYSTEM.format(system) if system else "") + QWEN_TURN.format(text)

    s2i = "Please generate an image based on the input audio."
    templates = {
        "asr": Template(user("Convert the speech to text.\n" + SPEECH), {"speech": "speech"}, text(50, end), published(25)),
        "tts": Template(
            user("Convert the text to speech.\n{text}"),
            {"text": "text"},
            (AnswerSpan(ids=(boa,)), AnswerSpan("speech", 49, eoa)),
            published(25),
        ),
        "t2i": Template(
            user("Generate an image based on the provided text description.\n{text}"),
            {"text": "text"},
            picture,
            published(260, repetition_penalty=1.2, position_penalty=2.0),
        ),
        "s2i": Template(
            user("\n" + SPEECH, s2i),
            {"speech": "speech"},
            picture,
            published(260, repetition_penalty=1.5, position_penalty=2.0, guidance=2.0),
            unconditional=user("", s2i),
        ),
        "vqa": Template(user("{text}\n" + IMAGE_INPUT), {"text": "text", "image": "image"}, text(64, end), published(64)),
        "svqa": Template(
            user(SPEECH + "\n" + IMAGE_INPUT, "Please response the input audio based on the given image."),
            {"speech": "speech", "image": "image"},
            voiced,
            published(128, repetition_penalty=1.2),
        ),
        "sqa": Template(  # a code path without a demonstration: settings of svqa
            user("{text}\n" + SPEECH, "Please response the input audio."),
            {"text": "text", "speech": "speech"},
            voiced,
            published(128, repetition_penalty=1.2),
        ),
    }
    schedules = dict.fromkeys(templates, TEXT) | {"t2i": IMAGE, "s2i": IMAGE}
    return templates, schedules


def text(length: int, end_id: int) -> tuple[AnswerSpan, ...]:
    return (AnswerSpan("text", length, end_id),)


def published(steps: int, **penalties: float) -> Reference:
    """Omni-Diffusion's decoding: greedy, nucleus 0.9, 50 best; with a repetition penalty the order is entropy-penalty."""
    algorithm = "entropy-penalty" if "repetition_penalty" in penalties else "entropy"
    return Reference("dream", steps=steps, algorithm=algorithm, top_p=0.9, at_least_one=True, **penalties)
