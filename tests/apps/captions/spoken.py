"""Words with times, by hand and by hypothesis."""

from hypothesis import strategies as st

from unmask.speech.words import Word

GAP_MS, LENGTH_MS = st.integers(0, 3000), st.integers(1, 1500)
TEXT = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "Sm")), min_size=1, max_size=15).filter(
    lambda text: "-->" not in text
)


@st.composite
def spoken(draw: st.DrawFn) -> list[Word]:
    """Words as a captioner gives them: times to a millisecond that never fall."""
    out, now = [], 0
    for gap, length, text in draw(st.lists(st.tuples(GAP_MS, LENGTH_MS, TEXT), max_size=40)):
        start = now + gap
        now = start + length
        out.append(Word(text, start / 1000, now / 1000, 1.0))
    return out


def say(text: str, start_s: float = 0.0, each_s: float = 0.3) -> list[Word]:
    """Words of equal length without a pause."""
    return [
        Word(word, round(start_s + i * each_s, 3), round(start_s + (i + 1) * each_s, 3), 1.0)
        for i, word in enumerate(text.split())
    ]
