"""When the words of a transcript are spoken, by hama's phonemes: another kind of alignment than any captioner here makes.

    pip install hama==1.3.13       (Apache-2.0; phonemes of words, and log-probabilities of phonemes every 20 ms)

The phonemes of the transcript are placed by CTC's likeliest path through all of them; hama's boundary of words counts as CTC's
blank. A word lasts from its first phoneme to its last; CTC gives a phoneme the frame or two where it is clearest, so that one is
taken to last half way to the next word, but 60 ms at most.
Knows recordings and transcripts. Knows no captioner.
"""

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unmask.speech.sample_rate import SAMPLE_RATE_HZ

FRAME_S = 0.02
BOUNDARY = "<wb>"
MORE_S = 0.06


class PhonemeAligner:
    """Times of words by hama."""

    @cached_property
    def _model(self) -> Any:
        from hama import ASRModel

        return ASRModel(providers=["CPUExecutionProvider"])

    @cached_property
    def _spell(self) -> Any:
        from hama import G2PModel

        return G2PModel()

    def spans(self, samples: NDArray[np.float32], text: str) -> list[tuple[float, float]]:
        """Start and end of each word of a transcript, in seconds. samples: (N,) float32 at 16 kHz."""
        model = self._model
        blank, boundary = model.blank_id, model.decoder_tokens.index(BOUNDARY)
        feeds = {"waveform": samples[None], "waveform_lengths": np.array([len(samples)], np.int64)}
        (found,) = model.session.run([model._log_probs_output_name], feeds)
        scores = found[0][: round(len(samples) / SAMPLE_RATE_HZ / FRAME_S)].copy()
        scores[:, blank] = np.logaddexp(scores[:, blank], scores[:, boundary])
        known = model.vocab.decoder_token_to_id
        spelled = [
            [known[a.phoneme] for a in self._spell.predict(word).alignments if a.phoneme in known] for word in text.split()
        ]
        first, last = best_path(scores, [i for word in spelled for i in word], blank)
        stops = np.cumsum([len(word) for word in spelled])
        spans, end_s = list[tuple[float, float]](), 0.0
        for word, stop in zip(spelled, stops.tolist(), strict=True):
            start_s, end_s = (first[stop - len(word)] * FRAME_S, (last[stop - 1] + 1) * FRAME_S) if word else (end_s, end_s)
            spans.append((float(start_s), float(end_s)))
        following = [start_s for start_s, _ in spans[1:]] + [len(samples) / SAMPLE_RATE_HZ]
        return [
            (start_s, min(end_s + MORE_S, (end_s + next_s) / 2))
            for (start_s, end_s), next_s in zip(spans, following, strict=True)
        ]


def best_path(scores: NDArray[np.float32], ids: list[int], blank: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(N,) first and (N,) last frame of each label on CTC's likeliest path through all of them (Graves et al. 2006).

    scores: (T, V) log-probabilities. ids: (N,) labels in order. Raises ValueError if there are too few frames for them.
    """
    states = np.full(2 * len(ids) + 1, blank)  # a blank before and after each label
    states[1::2] = ids
    skipping = np.zeros(len(states), bool)  # to a label from the one before it
    skipping[3::2] = states[3::2] != states[1:-2:2]
    total = np.full(len(states), -np.inf)
    total[:2] = scores[0, states[:2]]
    came = np.zeros((len(scores), len(states)), np.int64)  # by how many states the path moved on to this one
    for frame in range(1, len(scores)):
        one = np.append(-np.inf, total[:-1])
        two = np.where(skipping, np.append([-np.inf, -np.inf], total)[: len(states)], -np.inf)
        ways = np.stack((total, one, two))
        came[frame] = ways.argmax(0)
        total = ways.max(0) + scores[frame, states]
    state = len(states) - 1 - int(len(ids) > 0 and total[-2] > total[-1])
    if not np.isfinite(total[state]):
        raise ValueError(f"{len(scores)} frames are too few for {len(ids)} labels")
    first, last = np.full(len(ids), -1), np.full(len(ids), -1)
    for frame in range(len(scores) - 1, -1, -1):
        if state % 2:
            first[state // 2] = frame
            last[state // 2] = max(last[state // 2], frame)
        state -= int(came[frame, state])
    return first, last
