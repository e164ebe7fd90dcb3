"""Qwen3 exported by optimum with the causal mask taken away, for the Python of its own environment (`make optimum-env`).

    .cache/optimum/bin/python -P benchmarks/lab/optimum/unmasked.py CHECKPOINT OUT

The command has no option for it: the function of transformers that makes the mask is replaced before the model is traced.
"""

import sys
from typing import Any

import torch
from optimum.exporters.onnx import onnx_export_from_model
from transformers.models.qwen3 import modeling_qwen3


def nothing_hidden(input_embeds: torch.Tensor, attention_mask: torch.Tensor, **unused: Any) -> torch.Tensor:
    """In place of `create_causal_mask`: zeros to add to the scores of all rows over kept and own positions."""
    batch, rows = input_embeds.shape[:2]
    return torch.zeros(batch, 1, rows, attention_mask.shape[-1], dtype=input_embeds.dtype)


if __name__ == "__main__":
    modeling_qwen3.create_causal_mask = nothing_hidden
    model = modeling_qwen3.Qwen3ForCausalLM.from_pretrained(sys.argv[1]).eval()
    onnx_export_from_model(model, sys.argv[2], task="text-generation-with-past")
