"""Which language a text is in, as a model names it: by an id, or by an English name. Knows ids and names. Knows no model."""

import difflib
import re
from collections.abc import Mapping

from unmask.errors import InputError

UNLISTED = re.compile(r"[a-z]{2,3}")
NEAR = 4  # names of other languages that an error gives


def language_id(value: str, known: Mapping[str, str]) -> str:
    """The id of a language. Letters of names may be large or small.

    known: id -> English name; an empty one lists nothing, so that any two or three small letters are taken. Raises InputError for
    a language that is not listed, with those that are named nearly so.
    """
    if not known:
        if not UNLISTED.fullmatch(value):
            raise InputError(f"the language {value!r} is no id as the model knows it: two or three small letters, such as en")
        return value
    ids = {name.lower(): own for own, name in known.items()} | {own: own for own in known}
    asked = value.strip().lower()
    if asked in ids:
        return ids[asked]
    first = re.split(r"[-_]", asked)[0]  # en-US
    near = [first] if first in known else [name for name in ids if asked and asked in name.split()]
    near = near[:NEAR] or difflib.get_close_matches(asked, ids, NEAR)
    named = ", ".join(f"{ids[name]} ({known[ids[name]]})" for name in near)
    hint = f"near ones: {named}" if near else "give an id such as en, zh or yue, or an English name"
    raise InputError(f"the language {value!r} is none of the {len(known)} that the model knows; {hint}")
