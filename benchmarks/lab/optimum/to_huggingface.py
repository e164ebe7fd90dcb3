"""A Moonshine checkpoint of any form as a Hugging Face folder, so that optimum can be given the weights of Moonshine's packages.

    python -m benchmarks.lab.optimum.to_huggingface path/to/tiny-en .cache/moonshine-tiny

config.json is of the form before transformers 5, which both read. The tokenizer goes along where the checkpoint has one.
"""

import json
import shutil
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from benchmarks.lab.program import run
from unmask.export.checkpoint import pieces
from unmask.export.modules.moonshine import END, START, MoonshineConfig
from unmask.export.moonshine_weights import load_moonshine

TOKENIZER = "tokenizer.json"
TOKENIZER_CONFIG = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}


def main(checkpoint: Path, out: Path, /) -> None:
    to_huggingface(checkpoint, out)
    print(out)


def to_huggingface(checkpoint: Path, out: Path) -> None:
    """Raises UnmaskError for what is no Moonshine checkpoint."""
    model = load_moonshine(checkpoint)
    out.mkdir(parents=True, exist_ok=True)
    tensors = {f"model.{name}": value.contiguous() for name, value in model.state_dict().items()}
    save_file(tensors, out / "model.safetensors", {"format": "pt"})
    (out / "config.json").write_text(json.dumps(config_of(model.config), indent=1), encoding="utf-8")
    if (checkpoint / TOKENIZER).is_file():
        shutil.copy(checkpoint / TOKENIZER, out)
    elif (checkpoint / pieces.FILE).is_file():
        pieces.read_pieces(checkpoint / pieces.FILE).save(str(out / TOKENIZER))
    if (out / TOKENIZER).is_file():
        (out / "tokenizer_config.json").write_text(json.dumps(TOKENIZER_CONFIG), encoding="utf-8")


def config_of(config: MoonshineConfig) -> dict[str, Any]:
    share = (config.rotary + 0.5) * config.heads / config.width  # of a head, rounded down to a dimension when it is read
    return {
        "model_type": "moonshine",
        "architectures": ["MoonshineForConditionalGeneration"],
        "hidden_size": config.width,
        "intermediate_size": config.feed_forward,
        "encoder_num_attention_heads": config.heads,
        "decoder_num_attention_heads": config.heads,
        "encoder_num_hidden_layers": config.encoder_layers,
        "decoder_num_hidden_layers": config.decoder_layers,
        "vocab_size": config.vocabulary,
        "partial_rotary_factor": share,
        "rope_theta": config.rope_theta,
        "bos_token_id": START,
        "decoder_start_token_id": START,
        "eos_token_id": END,
        "is_encoder_decoder": True,
        "tie_word_embeddings": True,
    }


if __name__ == "__main__":
    run(main)
