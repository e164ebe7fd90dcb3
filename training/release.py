"""From a finished run to bundles: the averaged weights in fp32, and their int8 form.

python -m unmask.training.release --whisper WHISPER --cache CACHE --run RUN --out BUNDLES
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cyclopts
import torch
from tokenizers import Tokenizer

from unmask.export.caption import export_captioner
from unmask.export.captioner import Captioner, CaptionerConfig
from unmask.export.whisper import load_whisper
from unmask.quant.dynamic import quantize_bundle

NAME = "caption-tiny-en"


@dataclass(frozen=True)
class Release:
    whisper: Path
    cache: Path
    run: Path
    out: Path
    """Gets `caption-tiny-en-fp32` and `caption-tiny-en`."""
    frames_per_slot: int = 8


def main(options: Annotated[Release, cyclopts.Parameter(name="*")]) -> None:
    saved = torch.load(options.run / "last.pt", weights_only=True)
    tokenizer = Tokenizer.from_file(str(options.cache / "tokenizer.json"))
    whisper = load_whisper(options.whisper)
    model = Captioner(CaptionerConfig(whisper.config, tokenizer.get_vocab_size(), options.frames_per_slot))
    model.load_state_dict({**saved["model"], **saved["averaged"]})
    provenance = {
        "source": "OpenAI Whisper tiny.en (MIT): encoder unchanged, decoder trained further",
        "training": f"{saved['step']} updates, {saved['elapsed'] / 60:.0f} minutes; see the model card",
    }
    licence = "MIT (weights derived from Whisper tiny.en)"
    fp32 = export_captioner(model, tokenizer.to_str(), options.out / f"{NAME}-fp32", NAME, licence, provenance)
    print(f"{fp32}\n{quantize_bundle(fp32, options.out / NAME)}")


if __name__ == "__main__":
    cyclopts.run(main)
