"""When each token is spoken: the teacher's cross-attention, a monotonic path through it, and slots on the timeline.

Knows attention scores, frames and slots. Knows no text and no model.
"""

import numpy as np
from numpy.typing import NDArray


def monotonic_path(scores: NDArray[np.float32]) -> NDArray[np.int64]:
    """Give every frame to one token, tokens in order, each at least one frame, so that the summed score is highest.

    scores: (N, T) with N <= T. Returns (N + 1,) first frames: token i holds frames [first[i], first[i + 1]).
    """
    tokens, frames = scores.shape
    if tokens > frames:
        raise ValueError(f"{tokens} tokens do not fit {frames} frames")
    best = np.full(tokens, -np.inf)
    best[0] = scores[0, 0]
    entered = np.zeros((frames, tokens), dtype=bool)  # the path came to the token at this frame
    for t in range(1, frames):
        before = np.concatenate(([-np.inf], best[:-1]))
        entered[t] = before > best
        best = np.maximum(before, best) + scores[:, t]
    first = np.empty(tokens + 1, dtype=np.int64)
    first[tokens] = frames
    token = tokens - 1
    for t in range(frames - 1, 0, -1):
        if entered[t, token]:
            first[token] = t
            token -= 1
    first[0] = 0
    return first


def attention_scores(attention: NDArray[np.float32]) -> NDArray[np.float32]:
    """(heads, N, T) cross-attention of the aligning heads -> (N, T) scores: z-scored over tokens, smoothed over time, averaged.

    The recipe of Whisper's own word timestamps, with a mean of five frames in place of its median of seven.
    """
    mean, deviation = attention.mean(1, keepdims=True), attention.std(1, keepdims=True)
    scores = ((attention - mean) / (deviation + 1e-6)).mean(0)
    padded = np.pad(scores, ((0, 0), (2, 2)), mode="edge")
    return np.lib.stride_tricks.sliding_window_view(padded, 5, axis=1).mean(-1)


def place(frames: NDArray[np.float64], frames_per_slot: int, slots: int) -> NDArray[np.int64] | None:
    """Put each token (center in frames, rising) into a slot of its own, as near as order allows; None when they do not fit.

    Pushing collisions to the right and to the left each gives distinct slots; so does their mean, with half of the shift.
    """
    wanted = np.clip(np.asarray(frames) // frames_per_slot, 0, slots - 1).astype(np.int64)
    count = np.arange(len(wanted))
    if len(wanted) > slots:
        return None
    right = np.maximum.accumulate(wanted - count) + count
    right = np.minimum(right, slots - len(wanted) + count)
    left = np.minimum.accumulate((wanted - count)[::-1])[::-1] + count
    left = np.maximum(left, count)
    return (right + left) // 2
