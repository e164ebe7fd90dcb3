"""GLM-4-Voice's decoder with random weights, small or of the published sizes, in files as they are published."""

from pathlib import Path

import torch
from torch import Tensor, nn

from unmask.export.modules.voice.estimator import Estimator
from unmask.export.modules.voice.flow_encoder import FlowEncoder
from unmask.export.modules.voice.sizes import FlowSizes, VocoderSizes
from unmask.export.modules.voice.vocoder import Vocoder

FLOW = FlowSizes(
    width=16,
    heads=2,
    ffn=24,
    layers=1,
    mels=8,
    speaker=6,
    channels=(16, 16),
    estimator_heads=2,
    head_width=4,
    transformers=1,
    middle=1,
)
VOCODER = VocoderSizes(mels=8, width=16, pitch_width=12)
CONFIG = """\
# as published, with other sizes
spk_embed_dim: 6
sample_rate: 22050
llm: !new:cosyvoice.llm.llm.TransformerLM
    text_encoder: !new:cosyvoice.transformer.encoder.ConformerEncoder
        attention_heads: 7 # another model's
flow: !new:cosyvoice.flow.flow.MaskedDiffWithXvec
    input_size: 16
    output_size: 8
    spk_embed_dim: !ref <spk_embed_dim>
    output_type: 'mel'
    input_frame_rate: 12.5
    encoder: !new:cosyvoice.transformer.encoder.BlockConformerEncoder
        attention_heads: 2
        linear_units: 24
        num_blocks: 1
        block_size: 10
    decoder: !new:cosyvoice.flow.flow_matching.ConditionalCFM
        cfm_params: !new:omegaconf.DictConfig
            content:
                inference_cfg_rate: 0.7
        estimator: !new:cosyvoice.flow.decoder.ConditionalDecoder
            channels: [16, 16]
            attention_head_dim: 4
            n_blocks: 1
            num_mid_blocks: 1
            num_heads: 2
hift: !new:cosyvoice.hifigan.generator.HiFTGenerator
    in_channels: 8
    base_channels: 16
    sampling_rate: !ref <sample_rate>
    f0_predictor: !new:cosyvoice.hifigan.f0_predictor.ConvRNNF0Predictor
        cond_channels: 12
"""


def make_voice(flow: FlowSizes = FLOW, vocoder: VocoderSizes = VOCODER) -> tuple[FlowEncoder, Estimator, Vocoder]:
    """Random weights, none of a special value, whose sound has voiced and unvoiced parts."""
    torch.manual_seed(11)
    made = FlowEncoder(flow), Estimator(flow), Vocoder(vocoder)
    for module in made:
        for name, parameter in module.named_parameters():
            if name.endswith("alpha"):
                nn.init.uniform_(parameter, 0.5, 2)
            elif name.endswith(("pos_bias_u", "pos_bias_v")):
                nn.init.normal_(parameter, std=0.5)
            elif parameter.ndim == 1:
                nn.init.normal_(parameter, mean=float(parameter.detach().mean() > 0.5), std=0.1)
        module.eval().requires_grad_(False)
    made[2].f0_predictor.classifier.weight *= 300
    made[2].f0_predictor.classifier.bias.fill_(5.0)
    return made


def files_of(modules: tuple[FlowEncoder, Estimator, Vocoder]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """What flow.pt and hift.pt hold: in the latter, weights of convolutions as pairs of weight normalization."""
    encoder, estimator, vocoder = modules
    flow = {**encoder.state_dict(), **{f"decoder.estimator.{name}": value for name, value in estimator.state_dict().items()}}
    hift: dict[str, Tensor] = {}
    for name, value in vocoder.state_dict().items():
        if value.ndim == 3 and not name.startswith("source_downs"):
            hift[f"{name}_g"] = torch.linalg.vector_norm(value, dim=(1, 2), keepdim=True)
            hift[f"{name}_v"] = value * (1 + torch.rand(len(value), 1, 1, device=value.device))  # only its direction counts
        else:
            hift[name] = value
    return flow, hift


def write_glm_voice(folder: Path, full: bool = False) -> Path:
    """The decoder's folder. Of the published sizes there is no config.yaml: they are what is assumed without one."""
    write_voice(folder, make_voice(FlowSizes(), VocoderSizes()) if full else make_voice())
    if not full:
        (folder / "config.yaml").write_text(CONFIG, encoding="utf-8")
    return folder


def write_voice(folder: Path, modules: tuple[FlowEncoder, Estimator, Vocoder]) -> None:
    """The files of a decoder's folder but config.yaml, without which the published sizes are assumed."""
    folder.mkdir(parents=True, exist_ok=True)
    flow, hift = files_of(modules)
    torch.save(flow, folder / "flow.pt")
    torch.save(hift, folder / "hift.pt")
