"""How much of a scene is right: facts are counted, whoever tells them."""

from dataclasses import replace

from unmask.training.stickers.scene import Scene, facts


def right_facts(wanted: Scene, found: Scene) -> float:
    """The share of facts that are right, of those wanted and of those that were not.

    A fact of a place is right when the group found there has it. A group where none is wanted counts as one wrong fact.
    """
    known, told = list(facts(wanted)), set(facts(found))
    places = {group.place for group in wanted.groups}
    extra = sum(group.place not in places for group in found.groups)
    return sum(fact in told for fact in known) / (len(known) + extra)


def right_groups(wanted: Scene, found: Scene) -> float:
    """The share of groups that are right wherever they are: of those wanted, and of those found beyond their number."""
    there = [replace(group, place="") for group in found.groups]
    right = sum(replace(group, place="") in there for group in wanted.groups)
    return right / max(len(wanted.groups), len(found.groups))
