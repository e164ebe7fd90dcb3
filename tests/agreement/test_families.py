"""Each family's bundle, generating text, against transformers' class of its shape and the published decoding, written out slowly.

No graph, cache or sampler of ours is on the other side: a decoding is whole passes of transformers' model under a full mask. The
weights are random; what is compared are ids, all of them, in reference mode and in trimmed mode.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.conftest import Variants
from tests.oracle import logits, theirs
from unmask.bundle.manifest import load_bundle
from unmask.decoding.schedule import Schedule
from unmask.engines.engine import Engine
from unmask.errors import InputError
from unmask.export.checkpoint.weights import open_checkpoint
from unmask.text.denoiser import BackboneDenoiser
from unmask.text.generator import Generator

MASK, END = 259, 256
Logits = Callable[[torch.Tensor], torch.Tensor]  # (N,) ids -> (N, vocabulary)

FULL = ("a2d-qwen3", "a2d-qwen2", "a2d-llama")
PROMPTS = ("Why is the sky blue?", "x", "The capital of France is a city on a river, and")


def blocks_seen(count: int, block: int, origin: int = 0) -> torch.Tensor:
    """(N, N) bool: each row sees its block and those before it. origin: a position at which a block begins."""
    number = (torch.arange(count) - origin + block * count) // block  # no block number is below 0
    return number[:, None] >= number


def model_of(folder: Path, block: int | None, origin: int = 0) -> Logits:
    model = theirs(open_checkpoint(folder))

    def run(ids: torch.Tensor) -> torch.Tensor:
        count = len(ids)
        seen = torch.ones(count, count, dtype=torch.bool) if block is None else blocks_seen(count, block, origin)
        return logits(model, ids.numpy(), seen)

    return run


def tokens_of(text: str, folder: Path) -> torch.Tensor:
    return torch.tensor(load_bundle(folder).tokenizer.encode(text).ids)


# ---- the published code, literally


def by_confidence(x: torch.Tensor, scores: torch.Tensor, at: torch.Tensor, count: int) -> None:
    """Commit the best ids at the `count` most confident of the masked positions `at`, as LLaDA's generate.py does."""
    probability, best = torch.softmax(scores, -1).max(-1)
    for place in sorted(at.tolist(), key=lambda i: (-float(probability[i]), i))[:count]:
        x[place] = best[place]


def card_mdlm(run: Logits, prompt: torch.Tensor, length: int, block: int = 64, steps: int = 128) -> list[int]:
    """The card of Qwen3-0.6B-diffusion-mdlm."""
    x = torch.cat([prompt, torch.full((length,), MASK)])
    blocks = -(-length // block)
    for b in range(blocks):
        low, high = len(prompt) + b * block, min(len(x), len(prompt) + (b + 1) * block)
        masks, own = int((x[low:high] == MASK).sum()), -(-steps // blocks)
        for step in range(own):
            count = masks // own + (step < masks % own)
            scores = run(x)
            by_confidence(x, scores, low + (x[low:high] == MASK).nonzero()[:, 0], count)
    return x[len(prompt) :].tolist()


def card_bd3lm(folder: Path, prompt: torch.Tensor, length: int, block: int, steps: int = 128) -> list[int]:
    """The card of Qwen3-0.6B-diffusion-bd3lm. Padding on the left that is not seen brings the prompt's end to a block's end."""
    model = theirs(open_checkpoint(folder))
    padded, x = -(-len(prompt) // block) * block, prompt.clone()
    blocks = -(-length // block)
    for b in range(blocks):
        own = min(block, length - b * block)
        x = torch.cat([x, torch.full((own,), MASK)])
        number = (torch.arange(len(x)) + padded - len(prompt)) // block
        per_block = -(-steps // blocks)
        for step in range(per_block):
            scores = logits(model, x.numpy(), number[:, None] >= number)
            masked = len(x) - own + (x[-own:] == MASK).nonzero()[:, 0]
            by_confidence(x, scores, masked, own // per_block + (step < own % per_block))
        if END in x[-own:]:
            break
    return x[len(prompt) :].tolist()


def code_fast_dllm(
    run: Logits, prompt: torch.Tensor, most: int, block: int = 32, part: int = 8, threshold: float = 0.9
) -> list[int]:
    """`generate` of Fast_dLLM_v2's modeling.py, without its caches: the block is computed over the ids of all before it."""
    x = prompt.clone()
    if len(x) % block == 0:
        x = torch.cat([x, run(x)[-1:].argmax(-1)])
    for _ in range(most // block):
        if END in x[len(prompt) :]:
            break
        began = len(x)
        x = torch.cat([x, torch.full((block - began % block,), MASK)])

        def stopped(x: torch.Tensor = x, began: int = began) -> bool:
            ends = (x[began:] == END).nonzero()[:, 0]
            return len(ends) > 0 and MASK not in x[began : began + int(ends[0])]

        for start in range(len(x) - block, len(x), part):
            inside = slice(start, start + part)
            while MASK in x[inside] and not stopped():
                scores = run(x)[-block:]
                scores = torch.cat([scores[:1], scores[:-1]])[start - len(x) + block :][:part]
                probability, best = torch.softmax(scores, -1).max(-1)
                masked = x[inside] == MASK
                probability = torch.where(masked, probability, -torch.inf)
                chosen = probability > threshold
                chosen[probability.argmax()] = True
                x[inside][chosen & masked] = best[chosen & masked]
        if stopped():
            break
        x = torch.cat([x, run(x)[-1:].argmax(-1)])
    return x[len(prompt) :].tolist()


def by_threshold(run: Logits, prompt: torch.Tensor, length: int, block: int, origin: int, shift: int = 0) -> list[int]:
    """The threshold rule at 0.9 with whole passes: in blocks that begin at `origin` too, until an end of text follows no mask."""
    x = torch.cat([prompt, torch.full((length,), MASK)])
    while MASK in x:
        first = int((x == MASK).nonzero()[0])
        start = first - (first - origin) % block
        inside = [at for at in range(max(0, start), min(len(x), start + block)) if x[at] == MASK]
        scores = run(x)
        scores[:, MASK] = -torch.inf
        rows = scores[[max(0, at - shift) for at in inside]]
        probability, best = torch.softmax(rows, -1).max(-1)
        taken = probability >= 0.9
        taken[probability.argmax()] = True
        for at, token in zip(np.array(inside)[taken.numpy()], best[taken].tolist(), strict=True):
            x[at] = token
        ends = (x[len(prompt) :] == END).nonzero()[:, 0]
        if len(ends) and MASK not in x[len(prompt) : len(prompt) + int(ends[0])]:
            x[x == MASK] = END
    return x[len(prompt) :].tolist()


# ---- ours


def ours(folder: Path, text: str, length: int, schedule: Schedule | None = None) -> list[int]:
    """Without a schedule: the published decoding."""
    generator = Generator(load_bundle(folder))
    return list(generator.generate("generate", {"text": text}, length, schedule, reference=schedule is None).ids)


@pytest.mark.parametrize("name", FULL)
@pytest.mark.parametrize(("text", "length"), [(PROMPTS[0], 16), (PROMPTS[1], 72)])
def test_full_attention_decodes_as_its_card(name: str, text: str, length: int, variants: Variants) -> None:
    folder, run = variants.bundle(name), model_of(variants.checkpoint(name), None)
    expected = card_mdlm(run, tokens_of(text, folder), length)
    assert len(set(expected)) > 2
    assert ours(folder, text, length) == expected


@pytest.mark.parametrize(("text", "length"), [(PROMPTS[0], 16), (PROMPTS[1], 21), (PROMPTS[2], 40)])
def test_blocks_after_the_prompt_decode_as_their_card(text: str, length: int, variants: Variants) -> None:
    """Prompts of 20, 1 and 47 tokens in blocks of 8; an end of text in a block makes it the last."""
    folder = variants.bundle("a2d-bd3lm")
    expected = card_bd3lm(variants.checkpoint("a2d-bd3lm"), tokens_of(text, folder), length, 8)
    found = ours(folder, text, length)
    assert found[: len(expected)] == expected
    assert set(found[len(expected) :]) <= {MASK}


@pytest.mark.parametrize("prompt", [5, 31, 33, 64])
def test_sub_blocks_decode_as_the_published_code(prompt: int, variants: Variants) -> None:
    """The prompt ends inside a block, at its last and its first position, and with one; what the code leaves out stays masked."""
    folder, text, length = (
        variants.bundle("fast_dllm"),
        "The quick brown fox jumps over a lazy dog; it was not amused at all."[:prompt],
        70,
    )
    run = model_of(variants.checkpoint("fast_dllm"), 32)
    expected = code_fast_dllm(run, tokens_of(text, folder), length)
    found = ours(folder, text, length)
    assert len(expected) > 20
    assert found[: len(expected)] == expected
    assert set(found[len(expected) :]) <= {MASK}


def test_whole_blocks_are_asked_for(variants: Variants) -> None:
    with pytest.raises(InputError, match="fills whole blocks of 32, and an answer of 16 has none"):
        ours(variants.bundle("fast_dllm"), "x", 16)


@pytest.mark.parametrize("name", [*FULL, "dream-llama"])
def test_trimmed_mode_without_reuse_is_the_threshold_rule(name: str, variants: Variants) -> None:
    """With full attention, reuse is an approximation, so it is off here."""
    folder, run = variants.bundle(name), model_of(variants.checkpoint(name), None)
    prompt = tokens_of(PROMPTS[0], folder)
    expected = by_threshold(run, prompt, 40, 16, len(prompt), shift=int(name == "dream-llama"))
    assert ours(folder, PROMPTS[0], 40, Schedule(threshold=0.9, block=16)) == expected


@pytest.mark.parametrize(
    ("name", "block", "shift", "after_prompt"),
    [("a2d-bd3lm", 8, 0, True), ("fast_dllm", 32, 1, False), ("dream-reasoner", 32, 0, False)],
)
@pytest.mark.parametrize("text", PROMPTS)
def test_trimmed_mode_in_blocks_is_exact(
    name: str, block: int, shift: int, after_prompt: bool, text: str, variants: Variants
) -> None:
    """The default schedule, which reuses the rows of earlier blocks."""
    folder = variants.bundle(name)
    prompt = tokens_of(text, folder)
    origin = len(prompt) % block if after_prompt else 0
    expected = by_threshold(model_of(variants.checkpoint(name), block, origin), prompt, 50, block, origin, shift)
    assert ours(folder, text, 50, load_bundle(folder).schedule("generate")) == expected


@pytest.mark.parametrize("name", ["a2d-qwen3", "a2d-bd3lm", "fast_dllm", "dream-reasoner"])
def test_int8_computes_nearly_the_same_and_answers_in_both_modes(name: str, variants: Variants) -> None:
    """The logits of a whole pass, against transformers' in float32; and answers of the right length without a mask."""
    manifest = load_bundle(variants.bundle(name)).manifest
    ids = np.random.default_rng(0).integers(0, 256, 40)
    denoiser = BackboneDenoiser(Engine(load_bundle(variants.int8(name))), 40, 20)
    found = denoiser.numbers(denoiser.hidden(ids, np.arange(40) + manifest.logits_shift), 1.0)
    origin = 20 if manifest.blocks_after_prompt else 0
    expected = model_of(variants.checkpoint(name), manifest.block, origin)(torch.from_numpy(ids)).numpy()
    off = found.logits - np.take_along_axis(expected, found.ids, 1)
    assert 0 < np.sqrt((off**2).mean()) < 0.15 * expected.std()
    for schedule in (
        (manifest.tasks["generate"], None) if manifest.templates["generate"].reference else (manifest.tasks["generate"],)
    ):
        answer = ours(variants.int8(name), PROMPTS[0], 45, schedule)
        assert len(answer) == 45
        assert MASK not in answer or schedule is None
