"""Voices that a server speaks in: files of `unmask speak --save-voice` in one folder, by the names of the files.

Knows files and sessions. Knows no protocol.
"""

from collections.abc import Mapping
from pathlib import Path

from unmask.errors import InputError
from unmask.session import Session
from unmask.voice.saying import SayOptions
from unmask.voice.voice import Voice

OWN = "default"
"""The name of the voice that the model takes by itself."""


def read_voices(option: str, folder: Path | None, session: Session | None) -> dict[str, Voice]:
    """Name -> voice; none without a folder.

    option: the name of the option that gave the folder, for messages. Raises InputError for a folder without voices, a file that
    is none or one of another model, and for a session that speaks in its own voice alone.
    """
    if folder is None:
        return {}
    if session is None or session.streams is None or session.says()[1] is None:
        raise InputError(f"{option} {folder}: no --generator is given that speaks in other voices than its own; leave it out")
    files = sorted(folder.glob("*.json"))
    if not files:
        raise InputError(f"{option} {folder}: no voices in it; `unmask speak --save-voice {folder}/NAME.json` makes one")
    voices = {file.stem: Voice.read(file) for file in files}
    if OWN in voices:
        raise InputError(f"{option} {folder}: {OWN}.json has the name of the model's own voice; rename it")
    for file, voice in zip(files, voices.values(), strict=True):
        try:
            session.say(voice.transcript, SayOptions(voice))  # checks it, and says nothing before it is asked for a part
        except InputError as error:
            raise InputError(f"{option} {file}: {error}") from error
    return voices


def chosen(name: str | None, voices: Mapping[str, Voice]) -> Voice | None:
    """The voice of a name; None: the model's own. Raises InputError for one that is not there."""
    if name in (None, OWN):
        return None
    if name not in voices:
        known = ", ".join((OWN, *voices))
        raise InputError(f"there is no voice {name!r} here; there is {known}")
    return voices[name]
