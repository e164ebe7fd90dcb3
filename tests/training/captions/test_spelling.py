"""The verifier's spelling of a text: rare words whole, where the canvas holds them in pieces."""

import numpy as np
import pytest
from tokenizers import Tokenizer, pre_tokenizers

from tests.training.captions.test_timeline import Cache, timeline_of
from unmask.training.captions.prepare import SOFT
from unmask.training.captions.timeline import Masking, read_labels, spell, word_numbers
from unmask.training.captions.vocabulary import byte_level, spelling_tokenizer


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Tokenizer, Tokenizer]:
    """A tokenizer that writes every letter apart, and the same with " fox" and " the" whole after its ids."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("o", "x"), ("Ġ", "f"), ("Ġf", "ox"), ("Ġ", "t"), ("Ġt", "h"), ("Ġth", "e")]
    vocabulary = {token: i for i, token in enumerate([*alphabet, *(a + b for a, b in merges)])}
    source = byte_level(vocabulary, merges)
    path = tmp_path_factory.mktemp("whole") / "tokenizer.json"
    source.save(str(path))
    letters = byte_level({token: i for i, token in enumerate(["<|blank|>", *alphabet])}, [])
    return letters, spelling_tokenizer(letters, path, ("<|mask|>",))


def test_the_verifier_spells_words_whole(whole: tuple[Tokenizer, Tokenizer]) -> None:
    letters, spelling = whole
    ids = np.array(letters.encode(" the fox ran").ids)
    soft_ids = np.arange(len(ids) * SOFT).reshape(-1, SOFT)
    found = spell(ids, word_numbers(ids, letters), soft_ids, spelling)
    assert [spelling.id_to_token(int(i)) for i in found.ids] == ["Ġthe", "Ġfox", "Ġ", "r", "a", "n"]
    np.testing.assert_array_equal(found.words, [0, 1, 2, 2, 2, 2])
    np.testing.assert_array_equal(found.soft_ids[:2], 0, "what the teacher thought of pieces says nothing of whole words")
    np.testing.assert_array_equal(found.soft_ids[2:], soft_ids[-4:])


def test_a_crop_keeps_the_same_words_for_canvas_and_verifier(write_cache: Cache, whole: tuple[Tokenizer, Tokenizer]) -> None:
    _, spelling = whole
    cache = write_cache([" ".join(["the fox"] * 8)])
    timeline = timeline_of(cache, Masking(crop=1.0, errors=0.0))
    (label,) = read_labels(cache, spelling)
    seen = set()
    for seed in range(40):
        sample = timeline.sample(label, np.random.default_rng(seed))
        if sample is None:
            continue
        seen.add(len(sample.tokens))
        assert spelling.decode(sample.tokens.tolist()) == spelling.decode(sample.before.tolist())
        np.testing.assert_array_equal(sample.after[:-1], sample.before)
    assert len(seen) > 1, "some were cut"
