"""Words that a style is made of: a list with commas, each word known, and one of a group at most. Knows words. Knows no model."""

import difflib
import re
from collections.abc import Iterable

from unmask.errors import InputError

IDEOGRAPH = re.compile(r"[\u4e00-\u9fff]")


def styled(name: str, value: str, groups: Iterable[tuple[str, ...]], text: str) -> str:
    """The words of a style, in order and as the model knows them.

    groups: of words, each `english=chinese`, or only one of the two with the sign. Words are Chinese if one of them has no
    English name, or if the text has an ideograph and each has a Chinese name. Raises InputError for a word that no group has, and
    for two of a group. Letters may be large or small.
    """
    known: dict[str, tuple[tuple[str, ...], str, str]] = {}
    for group in groups:
        for entry in group:
            english, _, chinese = entry.partition("=")
            known |= {word: (group, english, chinese) for word in (english, chinese) if word}
    found = list[tuple[tuple[str, ...], str, str]]()
    for word in filter(None, (part.strip().lower() for part in re.split(r"[,，]", value))):
        if word not in known:
            near = difflib.get_close_matches(word, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
            raise InputError(f"the {name} {word!r} is none that the model knows; {hint}")
        if same := [english or chinese for group, english, chinese in found if group is known[word][0]]:
            raise InputError(f"the {name} names {same[0]!r} and {word!r}, of which a voice has one; leave one out")
        found.append(known[word])
    if not found:
        raise InputError(f"the {name} {value!r} names no word; known: {', '.join(known)}")
    everywhere = all(chinese for _, _, chinese in found) and IDEOGRAPH.search(text) is not None
    if everywhere or not all(english for _, english, _ in found):
        return "，".join(chinese or english for _, english, chinese in found)
    return ", ".join(english for _, english, _ in found)
