"""When each token is spoken: a monotonic path through the teacher's cross-attention, and slots on the timeline.

Knows attention scores, frames and slots. Knows no text and no model.
"""

import numpy as np
from numpy.typing import NDArray


def monotonic_path(scores: NDArray[np.float32]) -> NDArray[np.int64]:
    """Assign every frame to a token, in order, at least one frame to each, with the highest possible sum of scores.

    scores: (N, T) with N <= T. Returns first (N + 1,): token i has frames
    [first[i], first[i + 1]). Raises ValueError when N > T.
    """
    tokens, frames = scores.shape
    if tokens > frames:
        raise ValueError(f"{tokens} tokens do not fit {frames} frames")
    best = np.full(tokens, -np.inf)
    best[0] = scores[0, 0]
    entered = np.zeros((frames, tokens), dtype=bool)  # the path enters the token at this frame
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
    """Put each token into a slot of its own, as near to its time as the order allows; None when they do not fit.

    frames: the center of each token, rising. Pushing collisions to the right and pushing them to the left both give distinct
    slots. So does the mean of the two, with half of the shift.
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
