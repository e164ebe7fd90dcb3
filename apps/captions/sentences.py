"""Where sentences end and where they may be parted, in English text with times.

A full stop ends a sentence unless it belongs to an abbreviation, and then it may still do both ("at 5 p.m. He left.").
Knows words. Knows no cues and no files.
"""

from collections.abc import Sequence

from unmask.speech.words import Word

CLOSING = "\"'”’»)]}"
OPENING = "\"'“‘«([{"


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


# What stands before a name or a number: its full stop says nothing.
TITLES = _set(
    """adm brig capt cmdr col cpl dr fr ft gen gov hon lt maj messrs miss mlle mme mr mrs ms mt pres prof pvt rep rev sen sgt sr
    st supt"""
)
NUMBERED = _set("art ch fig figs no nos op p pp para pt sec vol vols")
# What may also be the last word of a sentence.
SHORTENED = _set(
    """ave bldg blvd cf co corp dept ed eds esq est etc inc jr ltd mfg sr univ viz vs
    jan feb mar apr jun jul aug sept sep oct nov dec mon tue tues wed thu thur thurs fri sat sun"""
)
# Words that begin sentences far more often than names.
STARTERS = _set(
    """a after all also although an and another any are as at because before both but by can did do does each even every few
    finally first for from had has have he her here his how however i i'd i'll i'm i've if in indeed is it it's its just last
    later let many may meanwhile more most my never nevertheless next no nobody none nor not nothing now of on once one only or
    our perhaps she should since so some someone soon still such suddenly that that's the their then there there's therefore
    these they this those though thus to today tomorrow too two under until was we were what when where whether which while who
    whose why will with would yes yesterday yet you your"""
)
# A cue or a line should not end with these: they belong to what follows.
LEADING = _set(
    """a an the and or but nor of to in on at by for from with as than that which who whom whose where what if when while because
    although is are was were be been am has have had do does did will would shall should can could may might must not no my your
    his her its our their this these those every each some any very so too into upon over under between through about mr mrs dr"""
)
# A cue or a line may well begin with these.
JOINTS = _set(
    """and but or nor for so yet because although though while when whenever where wherever if unless until till since as than
    that which who whom whose after before in on at by to from with without into upon over under between through during against
    toward towards"""
)
PAUSE_S = 0.3  # a pause this long after an abbreviation, before a capital, is a sentence's end


def ends_sentence(words: Sequence[Word], i: int) -> bool:
    """Whether a sentence ends with word `i`; the last word always ends one if it has the mark of it."""
    text = words[i].text.rstrip(CLOSING)
    if not text.endswith((".", "?", "!", "…")):
        return False
    if i + 1 == len(words):
        return True
    following = words[i + 1].text.lstrip(OPENING + "-–—")
    if following[:1].islower():
        return False  # "Why?" he asked. Also: "at 5 p.m. in Washington"
    if not text.endswith(".") or text.endswith(".."):
        return True
    return not abbreviated(text, following) or _both(text, following, words[i + 1].start_s - words[i].end_s)


def abbreviated(text: str, following: str) -> bool:
    """Whether the full stop at the end of a word belongs to the word."""
    bare = text.lstrip(OPENING).rstrip(".")
    return (
        "." in bare.strip(".")  # U.S., a.m., e.g.
        or (len(bare) == 1 and bare.isupper() and bare != "I")  # J. R. R. Tolkien
        or bare.lower() in TITLES
        or bare.lower() in SHORTENED
        or (bare.lower() in NUMBERED and following[:1].isdigit())
    )


def _both(text: str, following: str, pause_s: float) -> bool:
    """Whether an abbreviation before a capital or a number is a sentence's last word too."""
    bare = text.lstrip(OPENING).rstrip(".")
    if not following[:1].isupper():  # a number: "at 5 p.m. 20 people"
        return bare.lower() not in TITLES | NUMBERED and pause_s >= PAUSE_S
    if following.rstrip(",.;:!?" + CLOSING).lower() in STARTERS:
        return True
    return bare.lower() not in TITLES and len(bare) > 1 and pause_s >= PAUSE_S


def joint_cost(words: Sequence[Word], i: int) -> float:
    """How badly a cue or a line ends after word `i`: 0 at the end of a sentence, 4 inside a phrase."""
    if ends_sentence(words, i):
        return 0.0
    text = words[i].text.rstrip(CLOSING)
    following = words[i + 1].text.lstrip(OPENING) if i + 1 < len(words) else ""
    if text.endswith((",", ";", ":", "—", "–", "?", "!", "…")) or (text.endswith(".") and not abbreviated(text, following)):
        return 0.6
    if text.lstrip(OPENING).rstrip(".").lower() in LEADING or _sticks(text):
        return 4.0
    return 1.3 if following.rstrip(CLOSING + ",.;:!?").lower() in JOINTS else 2.5


def _sticks(text: str) -> bool:
    """Whether a word stands before a name or a number that must not be parted from it."""
    bare = text.lstrip(OPENING).rstrip(".").lower()
    return text.endswith(".") and (bare in TITLES or bare in NUMBERED or len(bare) == 1)
