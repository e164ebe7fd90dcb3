"""FunASR's side of a comparison: a program for the Python of its own environment (`make funasr-env`), where nothing of ours is.

    .cache/funasr/bin/python -P benchmarks/lab/sensevoice/side.py FOLDER SOUND OUT

FOLDER: a SenseVoice's (model.pt, am.mvn). SOUND: .npy of samples at 16 kHz. Writes to OUT (.npz) the features of its frontend
without dither, and the encoder's states of them after Omni-Diffusion's four queries, in float32 and in bfloat16.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from funasr.frontends.wav_frontend import WavFrontend
from funasr.models.sense_voice import model as sense_voice

QUERIES = (0, 1, 2, 15)


def main(folder: Path, sound: Path, out: Path) -> None:
    frontend = WavFrontend(str(folder / "am.mvn"), window="hamming", n_mels=80, lfr_m=7, lfr_n=6, dither=0.0)
    samples = torch.from_numpy(np.load(sound))[None]
    features, _ = frontend(samples, [samples.shape[1]])
    state = torch.load(folder / "model.pt", weights_only=True)
    ctc, width = state["ctc.ctc_lo.weight"].shape
    sizes = {
        "output_size": width,
        "attention_heads": 4,
        "linear_units": 2048,
        "num_blocks": 50,
        "tp_blocks": 20,
        "kernel_size": 11,
    }
    model = sense_voice.SenseVoiceSmall(
        encoder="SenseVoiceEncoderSmall", encoder_conf={**sizes, "dropout_rate": 0.0}, input_size=560, vocab_size=ctc
    ).eval()
    model.load_state_dict(state)
    found = {"features": features[0].numpy()}
    with torch.no_grad():
        for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
            own = model.to(dtype)
            # FunASR's masks are always float32, which bfloat16 does not go with; of one recording they hide nothing.
            sense_voice.sequence_mask = lambda lengths, maxlen, device, dtype=dtype: torch.ones(1, maxlen, dtype=dtype)
            rows = torch.cat([own.embed(torch.tensor([QUERIES])), features.to(dtype)], 1)
            states, _ = own.encoder(rows, torch.tensor([rows.shape[1]]))
            found[name] = states[0].float().numpy()
    np.savez(out, **found)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
