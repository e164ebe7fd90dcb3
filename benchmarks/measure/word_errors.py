"""Word error rate, counted everywhere in one way: jiwer's alignment of words after Whisper's English normalizer.

Every table that shows a rate names the normalizer in its head (`WER_PERCENT`). Knows texts; intervals are in `statistics`.
"""

from collections.abc import Callable, Sequence
from functools import cache

WER_PERCENT = "WER %, Whisper normalizer"  # the head of a column of rates


@cache
def _normalizer() -> Callable[[str], str]:
    from whisper_normalizer.english import EnglishTextNormalizer  # of the extra bench

    normalizer: Callable[[str], str] = EnglishTextNormalizer()
    return normalizer


def normalize(text: str) -> str:
    """Lower case, without punctuation and fillers; numbers, contractions and British spellings are unified."""
    return _normalizer()(text)


def word_errors(reference: str, text: str) -> tuple[int, int]:
    """Substitutions, deletions and insertions of a text, and words of its reference."""
    import jiwer  # of the extra bench

    said, heard = normalize(reference), normalize(text)
    if not said:
        return len(heard.split()), 0
    counts = jiwer.process_words(said, heard)
    return counts.substitutions + counts.deletions + counts.insertions, counts.hits + counts.substitutions + counts.deletions


def word_error_rate(references: Sequence[str], texts: Sequence[str]) -> float:
    """All errors / all words of the references, a share; without any word, 0 when nothing was heard and 1 otherwise."""
    counts = [word_errors(reference, text) for reference, text in zip(references, texts, strict=True)]
    errors, words = sum(count for count, _ in counts), sum(count for _, count in counts)
    return errors / words if words else float(errors > 0)
