"""A speech codec of random numbers, in the files that `unmask.training.codecs.speech` writes, and a voice that says letters."""

import json
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import save_file

from unmask.export.codecs.hibari import DECODER, FILE, FRAME_NUMBERS, MEANS, SPECTRA, SPEECH_CODES
from unmask.training.codecs.pace import PAUSES
from unmask.training.codecs.speech import PACE, PROJECTION, SAID
from unmask.training.omni.vocabulary import MARKS, TOKENS, make_tokenizer

BINS = 601
TEXTS = ["a big cat on the left on a pink background", "two small red cars, a dog", "yes", "a qzx on sand"]


def write_speech(folder: Path) -> Path:
    """The codec: a decoder of one layer, one to three codes for each token, and random codes for TEXTS."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    means = rng.normal(size=(SPEECH_CODES, 4 * FRAME_NUMBERS)).astype(np.float16)
    save_file({MEANS: torch.from_numpy(means), PROJECTION: torch.zeros(4 * FRAME_NUMBERS, 64)}, folder / FILE)
    onnx.save(decoder(rng), folder / DECODER)
    codes = {token: 1 + i % 3 for i, token in enumerate(TOKENS) if token not in MARKS and (token[-1].isalnum())} | PAUSES
    (folder / PACE).write_text(json.dumps({"codes": codes, "shares": {}}), encoding="utf-8")
    tokenizer = make_tokenizer()
    lengths = [8 + sum(codes.get(token, 0) for token in tokenizer.encode(text).tokens) for text in TEXTS]
    said = [rng.integers(0, SPEECH_CODES, length).astype(np.uint16) for length in lengths]
    saved = {"texts": np.array(TEXTS), "codes": np.concatenate(said), "lengths": np.array(lengths)}
    np.savez(folder / SAID, **{f"{part}_{name}": value for part in ("train", "held") for name, value in saved.items()})
    return folder


def decoder(rng: np.random.Generator) -> onnx.ModelProto:
    """Frames (1, FRAME_NUMBERS, F) to the five spectra, as the part of hibari does, in one convolution."""
    weight = rng.normal(size=(BINS * len(SPECTRA), FRAME_NUMBERS, 3)).astype(np.float32) / FRAME_NUMBERS
    nodes = [
        helper.make_node("Conv", ["frames", "weight"], ["all"], pads=[1, 1]),
        helper.make_node("Split", ["all"], list(SPECTRA), axis=1, num_outputs=len(SPECTRA)),
    ]
    inputs = [helper.make_tensor_value_info("frames", TensorProto.FLOAT, [1, FRAME_NUMBERS, None])]
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, BINS, None]) for name in SPECTRA]
    graph = helper.make_graph(nodes, "decoder", inputs, outputs, [numpy_helper.from_array(weight, "weight")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
