"""The authors' side of a comparison: a program for the Python of its own environment, where nothing of ours is.

    .cache/omnivoice/bin/python -P benchmarks/lab/omnivoice/side.py CHECKPOINT SOUND CASES OUT

CHECKPOINT: OmniVoice's, with its codec. SOUND: .npy of samples at 24 kHz, a reference voice. CASES: .json of `oracle.asked`.
Writes to OUT (.npz) what the package omnivoice 0.2.1 makes of them: tokens, sound, the uniform numbers that it drew, logits of
one pass, lengths and texts.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omnivoice.models import omnivoice as package
from omnivoice.utils import text as texts
from omnivoice.utils.duration import RuleDurationEstimator
from omnivoice.utils.lang_map import LANG_NAME_TO_ID, lang_display_name


def main(checkpoint: Path, sound: Path, cases: Path, out: Path) -> None:
    asked = json.loads(cases.read_text(encoding="utf-8"))
    torch.set_num_threads(1)
    model = package.OmniVoice.from_pretrained(str(checkpoint), dtype=torch.float32).eval()
    voice = (torch.from_numpy(np.load(sound)), 24_000)
    found: dict[str, Any] = {}
    for name, own in asked["cases"].items():
        found |= {f"{name}_{part}": value for part, value in generated(model, voice, own).items()}
    prompt = model.create_voice_clone_prompt(voice, asked["said"])
    found |= {"voice_codes": prompt.ref_audio_tokens.numpy(), "voice_rms": prompt.ref_rms}
    found |= one_pass(model, asked["text"])
    found |= rules(model, asked)
    np.savez(out, **found)


def generated(model: Any, voice: Any, own: dict[str, Any]) -> dict[str, Any]:
    """Tokens of each piece, the sound, and the numbers that were drawn."""
    drawn, tokens, rand, inner = [], [], torch.rand_like, model._generate_iterative

    def drawing(like: Any, **options: Any) -> Any:
        drawn.append(rand(like, **options))
        return drawn[-1]

    def kept(task: Any, config: Any) -> Any:
        made = inner(task, config)
        tokens.extend(made)
        return made

    model._generate_iterative, package.torch.rand_like = kept, drawing
    torch.manual_seed(1)
    given = own | ({"ref_audio": voice} if "ref_text" in own else {})
    sound = model.generate(**given)[0]
    model._generate_iterative, package.torch.rand_like = inner, rand
    made = {"sound": sound, **{f"tokens{i}": part.numpy().astype(np.int16) for i, part in enumerate(tokens)}}
    return made | {f"drawn{i}": value[0].numpy() for i, value in enumerate(drawn)}


def one_pass(model: Any, text: str) -> dict[str, Any]:
    """Logits of a canvas that is partly filled, with its prompt and without."""
    inputs = model._prepare_inference_inputs(text, 40, None, None, "en", None)
    ids, audio = inputs["input_ids"].clone(), inputs["audio_mask"]
    generator = np.random.default_rng(0)
    codes = generator.integers(0, 1024, (8, 40))
    codes[generator.random((8, 40)) < 0.6] = 1024
    ids[..., -40:] = torch.from_numpy(codes)
    with torch.no_grad():
        length = ids.shape[2]
        own = model(ids, audio, attention_mask=torch.ones(1, 1, length, length, dtype=torch.bool)).logits
        away = model(ids[..., -40:], audio[:, -40:], attention_mask=torch.ones(1, 1, 40, 40, dtype=torch.bool)).logits
    return {"pass_codes": codes, "pass_own": own[0, :, -40:].numpy(), "pass_away": away[0].numpy(), "pass_ids": ids[0, 0].numpy()}


def rules(model: Any, asked: dict[str, Any]) -> dict[str, Any]:
    weigh = RuleDurationEstimator()._get_char_weight
    weights = [0.0 if 0xD800 <= code < 0xE000 else weigh(chr(code)) for code in range(0x30000)]
    told = {
        "lengths": [model._estimate_target_tokens(text, None, None) for text in asked["lengths"]],
        "paced": [model._estimate_target_tokens(text, asked["said"], 60, speed=1.3) for text in asked["lengths"]],
        "cleaned": [package._combine_text(ref_text=asked["said"], text=text) for text in asked["cleaned"]],
        "ended": [texts.add_punctuation(text) for text in (asked["said"], "好", "a.", "b )")],
        "cut": [[texts.chunk_text_punctuation(text, length, 3) for length in (5, 12, 40)] for text in asked["cut"]],
        "styles": [package._resolve_instruct(style, bool(package._ZH_RE.search(text))) for style, text in asked["styles"]],
        "languages": [[LANG_NAME_TO_ID[name], lang_display_name(name)] for name in sorted(LANG_NAME_TO_ID)],
    }
    return {"weights": np.array(weights, np.float32), "told": np.array(json.dumps(told))}


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
