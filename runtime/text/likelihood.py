"""How likely a model finds an answer that is given: which of some captions fits a picture, or which picture a caption.

One pass over the wholly masked answer, so the positions are taken as independent of one another: a score to compare answers by,
and not the probability of a text. Knows generators and their canvases. Knows no files and no codec.
"""

import numpy as np
from numpy.typing import NDArray

from unmask.decoding.denoiser import TopKScores
from unmask.errors import InputError
from unmask.text.generator import Generator, Input, Inputs, Request


def log_likelihood(generator: Generator, task: str, inputs: Inputs, answer: Input) -> float:
    """Mean nats a position: log p(answer | inputs), less log p(answer) where the task has an unconditional prompt.

    With the difference (the pointwise mutual information) different answers can be compared, not only different inputs. An id
    that is not among the best of its position counts as the last of these, since graphs give no more (64 of them).

    answer: a text, or codes of the task's modality, in the task's one span. Raises InputError as `Generator.request`, and for an
    answer that does not fit the span.
    """
    request = generator.request(task, inputs)
    ids, away = _answer_ids(generator, request, answer), generator.unconditional(request)
    score = _mean(generator, request, ids)
    return score if away is None else score - _mean(generator, request.after(away), ids)


def _answer_ids(generator: Generator, request: Request, answer: Input) -> NDArray[np.int64]:
    if len(request.canvas.spans) != 1:
        raise InputError(f"task {request.task} answers in {len(request.canvas.spans)} spans; an answer can be scored in one")
    (span,) = request.canvas.spans
    if span.modality == "text":
        if not isinstance(answer, str):
            raise InputError(f"task {request.task} answers in text; give a text to score")
        ids = [
            *generator.tokenizer.encode(answer, add_special_tokens=False).ids,
            *(() if span.end_id is None else (span.end_id,)),
        ]
    else:
        if isinstance(answer, str) or (isinstance(answer, np.ndarray) and answer.ndim != 1):
            raise InputError(f"task {request.task} answers in {span.modality} codes; give codes to score")
        low, high = generator.bundle.manifest.vocabulary.ranges[span.modality]
        ids = [low + int(code) for code in answer]
        if not all(low <= i < high for i in ids):
            raise InputError(f"a {span.modality} code to score is out of range; there are 0 to {high - low - 1}")
    size = span.stop - span.start
    if not 0 < len(ids) <= size or (span.end_id is None and len(ids) != size):
        raise InputError(f"the answer to score has {len(ids)} tokens; task {request.task} answers in {size}")
    return np.array(ids, np.int64)


def _mean(generator: Generator, request: Request, answer: NDArray[np.int64]) -> float:
    (span,) = request.canvas.spans
    ids, wanted = request.canvas.ids, np.arange(span.start, span.start + len(answer))
    scores = generator.denoiser(request).predict(ids, np.arange(len(ids)), wanted, (span.allowed,))
    return float(found(scores, answer).mean())


def found(scores: TopKScores, wanted: NDArray[np.int64]) -> NDArray[np.float32]:
    """(R,) log-probabilities of wanted ids (R,); of one that is not among the k best, that of the last finite one of these."""
    finite = np.where(np.isfinite(scores.logits), scores.logits, np.inf)
    logits = np.where(scores.ids == wanted[:, None], scores.logits, -np.inf).max(1)
    return np.asarray(np.where(np.isfinite(logits), logits, finite.min(1)) - scores.logsumexp, np.float32)
