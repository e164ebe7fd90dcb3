"""Word error rate as it is counted everywhere here: corpus-level, after Whisper's English normalizer."""

import jiwer
from whisper_normalizer.english import EnglishTextNormalizer

NORMAL = EnglishTextNormalizer()


def word_error_rate(texts: list[str], said: list[str]) -> float:
    """All errors of `said` against `texts` / all words of `texts`; a text that the normalizer leaves empty does not count."""
    pairs = [(NORMAL(text), NORMAL(heard)) for text, heard in zip(texts, said, strict=True) if NORMAL(text)]
    return float(jiwer.wer([text for text, _ in pairs], [heard for _, heard in pairs]))
