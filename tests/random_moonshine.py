"""A Moonshine of random weights in transformers' own class: what ours is compared with, and a checkpoint to read."""

import torch
from transformers import MoonshineConfig, MoonshineForConditionalGeneration


def random_moonshine(
    seed: int, std: float, layers: tuple[int, int], heads: int, **sizes: float
) -> MoonshineForConditionalGeneration:
    """layers: of the encoder and of the decoder. std: of every weight. sizes: more keys of the configuration."""
    torch.manual_seed(seed)
    config = MoonshineConfig(
        encoder_num_hidden_layers=layers[0],
        decoder_num_hidden_layers=layers[1],
        encoder_num_attention_heads=heads,
        decoder_num_attention_heads=heads,
        **sizes,
    )
    model = MoonshineForConditionalGeneration(config).eval()
    for p in model.parameters():
        torch.nn.init.normal_(p, std=std)
    return model
