"""Optimum's side of a comparison: a program for the Python of its own environment (`make optimum-env`), where nothing of ours is.

    .cache/optimum/bin/python -P benchmarks/lab/optimum/side.py FOLDER THREADS

FOLDER: what `optimum-cli export onnx` or ORTQuantizer wrote. Reads the paths of .npy recordings, one a line, and answers each
with a line of JSON: the ids of the greedy text, the seconds from samples to ids, and the peak memory of this process.
"""

import json
import re
import resource
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from optimum.onnxruntime import ORTModelForSpeechSeq2Seq
from transformers.utils import logging

SAMPLE_RATE_HZ = 16_000
TOKENS_PER_SECOND = 6.5  # a text with more is a loop: the bound that Moonshine's own runtime has


def main(folder: str, threads: int) -> None:
    warnings.simplefilter("ignore")
    logging.set_verbosity_error()
    torch.set_num_threads(threads)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    model = ORTModelForSpeechSeq2Seq.from_pretrained(folder, session_options=options)
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        samples = torch.from_numpy(np.load(line.rstrip("\n")))[None]
        longest = int(TOKENS_PER_SECOND * samples.shape[1] / SAMPLE_RATE_HZ) + 2
        began = time.perf_counter()
        mask = torch.ones_like(samples, dtype=torch.int64)
        ids = model.generate(input_values=samples, attention_mask=mask, max_new_tokens=longest, do_sample=False, num_beams=1)
        seconds = time.perf_counter() - began
        print(json.dumps({"ids": ids[0].tolist(), "seconds": seconds, "rss_mib": peak_rss_mib()}), flush=True)


def peak_rss_mib() -> float:
    """As `unmask.benchmarks.measure.machine` reads it: on Linux getrusage keeps the parent's figure across a spawn."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(re.findall(r"VmHWM:\s*(\d+) kB", status.read_text())[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
