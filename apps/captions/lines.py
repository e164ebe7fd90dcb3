"""The lines of one subtitle: at most two, of like length, parted where a reader would pause.

Knows words. Knows no times and no files.
"""

from collections.abc import Sequence

LINE_CHARACTERS = 42  # as is usual in broadcasting
LINES = 2
UNEVEN_COST = 0.08  # for each letter of difference between two lines: a phrase may be kept whole for some of them
ALONE_COST = 4.0  # a line of one word


def fits(characters: int, texts: Sequence[str]) -> bool:
    """Whether words fit one cue. characters: of all of them in one line."""
    return characters <= LINE_CHARACTERS or (characters <= LINES * LINE_CHARACTERS + 1 and bool(_places(texts)))


def break_lines(texts: Sequence[str], joint_costs: Sequence[float]) -> tuple[str, ...]:
    """One or two lines; more only if no two hold the text. joint_costs: for each word, how badly a line ends after it."""
    whole = " ".join(texts)
    if len(whole) <= LINE_CHARACTERS:
        return (whole,)
    places = _places(texts)
    if not places:
        return _filled(texts)

    def cost(place: int) -> float:
        first, second = " ".join(texts[:place]), " ".join(texts[place:])
        alone = ALONE_COST * ((place == 1) + (place == len(texts) - 1))
        return joint_costs[place - 1] + UNEVEN_COST * abs(len(first) - len(second)) + alone

    best = min(places, key=cost)
    return " ".join(texts[:best]), " ".join(texts[best:])


def _places(texts: Sequence[str]) -> list[int]:
    """Where two lines that fit can be parted: numbers of words in the first one."""
    total, before, found = sum(map(len, texts)) + len(texts) - 1, -1, []
    for place, text in enumerate(texts[:-1], 1):
        before += len(text) + 1
        if before <= LINE_CHARACTERS and total - before - 1 <= LINE_CHARACTERS:
            found.append(place)
    return found


def _filled(texts: Sequence[str]) -> tuple[str, ...]:
    """Lines filled one after the other, as many as it takes."""
    lines = [""]
    for text in texts:
        if lines[-1] and len(lines[-1]) + 1 + len(text) > LINE_CHARACTERS:
            lines.append("")
        lines[-1] = f"{lines[-1]} {text}".strip()
    return tuple(lines)
