"""Trials of checkpoints that people have: tiny ones of their configuration with random weights, exported and run, or refused.

Whether their ids are right is not seen here: the tests named hold them against transformers' classes and the published decodings.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.lab.trials.trial import Outcome, Trial, unmask
from unmask.benchmarks.scenarios.checkpoints import write_checkpoint

AGREE = "agreement/test_families.py"
TOLD = "export/test_family_configs.py::test_what_is_known_and_cannot_be_exported_is_told_the_reason"
KEY = "export/test_family_configs.py::test_what_would_be_computed_wrongly_is_refused"
PROMPT = ("--prompt", "Why is the sky blue?", "--length", "48", "--json")
NO_MASK = {"mask_token_id": None}  # the tokenizer alone names it


def runs(family: str, told: str, *options: str, published: bool = True, **changes: Any) -> Callable[[Path], Outcome]:
    """A trial that exports a checkpoint and answers in each of its modes. told: what the export says of the family."""

    def run(folder: Path) -> Outcome:
        write_checkpoint(folder / "model", family, **changes)
        export = unmask("export", "model", *options, folder=folder)
        if export.code or told not in export.err:
            return Outcome(False, export.last_line)
        passes = []
        for mode in ((), ("--reference",)) if published else ((),):
            answer = unmask("generate", "model.bundle", *PROMPT, *mode, folder=folder)
            if answer.code:
                return Outcome(False, answer.last_line)
            passes.append(json.loads(answer.out)["passes"])
        line = next(line for line in export.err.splitlines() if told in line)
        return Outcome(True, f"{line.partition('; ')[2]}; answers in {' and '.join(map(str, passes))} passes")

    return run


def refused(told: str, family: str = "dream", **changes: Any) -> Callable[[Path], Outcome]:
    """A trial whose export ends in one line that says `told`."""

    def run(folder: Path) -> Outcome:
        write_checkpoint(folder / "model", family)
        config = json.loads((folder / "model/config.json").read_text())
        (folder / "model/config.json").write_text(json.dumps({**config, **changes}))
        export = unmask("export", "model", folder=folder)
        right = export.code == 2 and told in export.err and not export.traceback and not (folder / "model.bundle").exists()
        return Outcome(right, export.last_line)

    return run


def bd3lm(folder: Path) -> Outcome:
    write_checkpoint(folder / "Qwen3-0.6B-diffusion-bd3lm-v0.1", "a2d", **NO_MASK)
    export = unmask("export", "Qwen3-0.6B-diffusion-bd3lm-v0.1", folder=folder)
    return Outcome(export.code == 2 and "unmask export --block 32" in export.err, export.last_line)


FULL, BLOCKS = "full attention, logits of the row,", "blocks of 32 from the end of the prompt, logits of the row,"
TRIALS = (
    Trial(
        "C1",
        "Tiny-A2D (a2d-qwen3, MDLM)",
        "exported and run",
        f"{AGREE}::test_full_attention_decodes_as_its_card",
        runs("a2d", FULL, **NO_MASK),
    ),
    Trial(
        "C2",
        "Tiny-A2D (a2d-qwen2, MDLM)",
        "exported and run",
        f"{AGREE}::test_full_attention_decodes_as_its_card",
        runs("a2d", FULL, **NO_MASK, model_type="a2d-qwen2", head_dim=None),
    ),
    Trial(
        "C3",
        "a2d-llama",
        "exported and run",
        f"{AGREE}::test_full_attention_decodes_as_its_card",
        runs("a2d", FULL, **NO_MASK, model_type="a2d-llama", head_dim=None),
    ),
    Trial(
        "C4",
        "Tiny-A2D (BD3LM) with --block",
        "exported and run",
        f"{AGREE}::test_blocks_after_the_prompt_decode_as_their_card",
        runs("a2d", BLOCKS, "--block", "32", **NO_MASK),
    ),
    Trial(
        "C5",
        "Tiny-A2D (BD3LM) without --block",
        "asked for, since config.json does not say it",
        "export/test_families.py::test_tiny_a2d_is_read_as_trained",
        bd3lm,
    ),
    Trial(
        "C6",
        "Fast_dLLM_v2",
        "exported and run",
        f"{AGREE}::test_sub_blocks_decode_as_the_published_code",
        runs("fast_dllm", "blocks of 32 from the first position, logits of the row before,", **NO_MASK),
    ),
    Trial(
        "C7",
        "Dream trained from Llama",
        "exported and run",
        f"{AGREE}::test_trimmed_mode_without_reuse_is_the_threshold_rule",
        runs("dream", "full attention, logits of the row before,", attention_bias=False),
    ),
    Trial(
        "C8",
        "Dream's reasoner",
        "exported and run",
        f"{AGREE}::test_trimmed_mode_in_blocks_is_exact",
        runs("dream", "blocks of 32 from the first position, logits of the row,", published=False, block_size=32, head_dim=24),
    ),
    Trial("C9", "DreamOn", "refused by its growing canvas", KEY, refused("its canvas grows", expand_token_id=151667)),
    Trial(
        "C10",
        "I-DLM, UNO",
        "refused by what they attend to",
        KEY,
        refused("use_regular_causal", "block", use_regular_causal=True),
    ),
    Trial("C11", "LLaDA-MoE", "a mixture of experts", KEY, refused("a mixture of experts", "llada", num_experts=64)),
    *(
        Trial(f"C{number}", name, told, TOLD, refused(told, model_type=kind))
        for number, (name, kind, told) in enumerate(
            (
                ("LLaDA2.x-mini", "llada2_moe", "a mixture of experts"),
                ("SDAR-30B-A3B", "sdar_moe", "a mixture of experts"),
                ("RND1", "rnd1", "a mixture of experts"),
                ("OmniVoice", "omnivoice", "eight codebooks"),
                ("WeDLM", "wedlm", "attends causally"),
                ("DiffusionGemma", "diffusion_gemma", "noise is uniform"),
                ("BD3LM", "bd3lm", "diffusion transformer"),
                ("MDLM", "mdlm", "diffusion transformer"),
                ("a plain Llama", "llama", "writes token by token"),
                ("LFM2", "lfm2", "convolutions"),
            ),
            start=12,
        )
    ),
    Trial(
        "C22",
        "Stable-DiffCoder",
        "refused by its own code",
        TOLD,
        refused("Python code of its own", model_type="llama", auto_map={"AutoModelForCausalLM": "modeling_seed_diffcoder.X"}),
    ),
)
