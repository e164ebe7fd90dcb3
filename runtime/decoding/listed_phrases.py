"""Raise the scores of tokens that begin a listed phrase, or go on with one that a text's end has begun.

This is contextual biasing by a tree of token ids (shallow fusion, Pundak et al. 2018, arXiv 1808.02480) for greedy decoding: what
a token's logit grows by depends on the text before it alone, so a draft can be checked with raised scores as well as without, and
the settled text is what the raised model writes token by token.
Knows ids. Knows no model and no text.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from unmask.decoding.denoiser import TopKScores

BEGINNING = 0.5  # share of its weight by which a phrase's first token is raised: every word may be its beginning


class ListedPhrases:
    """A tree of phrases. Immutable, and safe to share between threads."""

    def __init__(self, phrases: Iterable[tuple[Sequence[int], float]]) -> None:
        """phrases: ids and weight of each, in nats above 0. Where phrases share tokens, the highest weight counts."""
        self._following: list[dict[int, tuple[int, float]]] = [{}]  # node -> id after it -> node and weight; the root is 0
        for ids, weight in phrases:
            node = 0
            for place, token in enumerate(ids):
                raised = weight if place else BEGINNING * weight
                child, most = self._following[node].get(token, (len(self._following), 0.0))
                if child == len(self._following):
                    self._following.append({})
                self._following[node][token] = child, max(most, raised)
                node = child
        self.ids: NDArray[np.int64] = np.array(sorted({token for after in self._following for token in after}), np.int64)
        """(K,) all ids that may be raised, increasing."""
        self._raised = [  # node -> columns of the ids after it, and their weights
            (np.searchsorted(self.ids, list(after)), np.array([weight for _, weight in after.values()], np.float32))
            for after in self._following
        ]

    def raises(self, ids: NDArray[np.int64], known: int) -> NDArray[np.float32]:
        """(N,) a text -> (N + 1 - known, K) nats by which each of `self.ids` is raised after its first `known`, ..., N tokens."""
        found = np.zeros((len(ids) + 1 - known, len(self.ids)), np.float32)
        begun = [0]  # the root, and the nodes of phrases that the text so far ends in
        for read, token in enumerate([*ids.tolist(), None]):
            for columns, weights in (self._raised[node] for node in begun if read >= known):
                row = found[read - known]
                row[columns] = np.maximum(row[columns], weights)
            begun = [0, *(self._following[node][token][0] for node in begun if token in self._following[node])]
        return found

    def raised(self, scores: TopKScores, logits: NDArray[np.float32], raises: NDArray[np.float32]) -> TopKScores:
        """The scores of R rows with listed tokens raised: again the k best ids of each, and the log-sum-exp of all.

        logits: (R, K) of `self.ids`. raises: (R, K) by `raises`; none is below 0, so the k best are among the old and the listed.
        """
        if not len(self.ids):
            return scores
        grown = logits + raises
        again = np.where(
            np.isin(scores.ids, self.ids), np.float32(-np.inf), scores.logits
        )  # the listed ones have columns already
        ids = np.concatenate((scores.ids, np.broadcast_to(self.ids, grown.shape)), 1)
        all_logits = np.concatenate((again, grown), 1)
        best = np.argsort(-all_logits, axis=1, kind="stable")[:, : scores.ids.shape[1]]
        more = (np.exp(logits - scores.logsumexp[:, None]) * np.expm1(raises)).sum(1)
        total = (scores.logsumexp + np.log1p(more)).astype(np.float32)
        return TopKScores(np.take_along_axis(ids, best, 1), np.take_along_axis(all_logits, best, 1), total, scores.entropy)
