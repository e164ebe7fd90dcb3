"""Titles of panels as they are said, and buttons at the end."""

from unmask.training.ui.grammar import names
from unmask.training.ui.grammar.controls import button
from unmask.training.ui.grammar.sketch import Sketch

HEAD = "<style h3>"


def named(s: Sketch, what: str, rooms: names.Names = names.ROOMS, share: float = 0.6) -> tuple[str, str]:
    """ "a thermostat for the bedroom" or "a thermostat": the phrase, and what the title points to."""
    if not s.talk.chance(share):
        text, tag = s.mark(what)
        return f"[a] {text}", tag
    room, tag = s.name(rooms)
    if s.talk.chance(0.3):
        bare = room[room.index("\x02") + 1 : -1]
        text, tag = s.mark(f"{bare} {what}")
        return f"[a|the] {text}", tag
    pattern = s.talk.one(
        (
            *(f"a {what} for the {{room}}", f"a {what} in the {{room}}", f"a {what} for {{room}}", f"the {what} of the {{room}}"),
            *(
                f"a {what} called {{room}}",
                f"a {what} for my {{room}}",
                f"for the {{room}} a {what}",
                f"in the {{room}} a {what}",
            ),
            *(f"{what} {{room}}", f"{what} for the {{room}}", f"a {what} to use in the {{room}}", f"one {what} for the {{room}}"),
        )
    )
    return pattern.replace("{room}", room), tag


def fused(s: Sketch, said: str, name: tuple[str, str], noun: str, otherwise: str) -> tuple[str, str]:
    """A phrase with its {name}, which belongs to the title with the noun after it: what the title is, if not `otherwise`."""
    text, tag = name
    bare = text[text.index("\x02") + 1 : -1]
    if "{name} " + noun in said:
        text, tag = s.mark(f"{bare} {noun}")
        return said.replace("{name} " + noun, text), tag
    return said.replace("{name}", text), tag if "{name}" in said else otherwise


def expanded(s: Sketch, pattern: str) -> str:
    return s.talk.expand(pattern, {})


def buttons(s: Sketch, share: float) -> str:
    if not s.talk.chance(share):
        return ""
    return f" {s.talk.say('and')} {button(s, style='<style primary>', part=True)}"
