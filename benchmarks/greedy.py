"""A caption bundle's causal verifier alone, decoding greedily with its cache: what unmasking is measured against.

The same weights, the same encoder states and the same engine as the captioner's own passes.
"""

import numpy as np

from unmask.captioner import Captioner, Window


def token_by_token(captioner: Captioner, windows: list[Window]) -> tuple[str, int]:
    """Greedy text of the verifier alone, and how many tokens it took. Eight tokens a second are a loop and are cut there."""
    manifest = captioner.bundle.manifest
    texts, count = [], 0
    for window in windows:
        assert window.verifier is not None
        assert manifest.verifier is not None
        window.verifier.reset()
        ids = np.zeros(0, dtype=np.int64)
        while len(ids) < 8 + 8 * window.audio_s:
            best = window.verifier.expect(ids, len(ids)).ids[-1, 0]
            if best == manifest.verifier.end_id:
                break
            ids = np.append(ids, best)
        texts.append(captioner.tokenizer.decode(ids.tolist()).strip())
        count += len(ids)
    return " ".join(texts), count
