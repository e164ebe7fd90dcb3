"""What panels are made of in requests: rooms, devices, options, fields. Some names are held back, others are made up."""

from collections.abc import Sequence
from functools import cache
from typing import TypeVar

import numpy as np

from unmask.training.ui.grammar.made_up import made_up

T = TypeVar("T")
HELD_EVERY = 6  # of a list, this share of the names is for tests only
INVENTED = 0.35  # share of names that are made up

ROOMS = (
    *("bedroom", "kitchen", "living room", "bathroom", "office", "hall", "garage", "basement", "attic", "nursery"),
    *("guest room", "dining room", "laundry room", "balcony", "terrace", "garden", "shed", "greenhouse", "workshop"),
    *("studio", "porch", "cellar", "playroom", "library", "pantry", "hallway", "staircase", "kids' room"),
    *("master bedroom", "sun room", "gym", "sauna", "den", "entrance", "driveway", "conservatory", "utility room"),
    *("upstairs", "downstairs", "barn", "classroom", "lobby", "aquarium"),
)
DEVICES = (
    *("desk lamp", "fan", "heater", "pump", "ceiling light", "coffee machine", "kettle", "sprinkler", "garage door"),
    *("oven", "floor lamp", "night light", "humidifier", "dehumidifier", "air purifier", "radiator", "boiler"),
    *("water valve", "dishwasher", "washing machine", "dryer", "television", "speaker", "projector", "vacuum"),
    *("alarm system", "porch light", "doorbell", "wifi", "camera", "gate", "blinds", "curtains", "shutters"),
    *("reading lamp", "led strip", "fairy lights", "string lights", "printer", "router", "soldering iron", "laser"),
    *("mixer", "extractor", "grow light", "aquarium pump", "bubbler", "feeder", "compressor", "motor", "relay"),
    *("pool pump", "hot tub", "fountain", "fireplace", "toaster", "rice cooker", "lantern", "chandelier", "freezer"),
    *("main light", "left lamp", "right lamp", "big lamp", "spot lights", "wall light", "mirror light"),
    *("counter light", "plug"),
)
LEVELS = (
    *("brightness", "volume", "speed", "temperature", "fan speed", "humidity", "contrast", "bass", "treble", "red"),
    *("green", "blue", "warmth", "power", "pressure", "intensity", "saturation", "hue", "height", "angle"),
    *("distance", "zoom", "delay", "gain", "balance", "opacity", "target temperature", "water level", "light level"),
    *("flow rate", "duty cycle", "frequency", "pitch", "exposure", "threshold", "sensitivity", "tempo", "pan"),
    *("tilt", "position", "dose", "amperage", "voltage", "font size", "depth"),
)
READINGS = (
    *("temperature", "humidity", "pressure", "battery", "air quality", "wind speed", "outside temperature"),
    *("power usage", "steps", "heart rate", "water level", "soil moisture", "uptime", "signal strength", "cpu load"),
    *("memory", "disk space", "carbon dioxide", "solar power", "energy today", "rainfall", "uv index", "noise level"),
    *("indoor temperature", "tank level", "voltage", "amperes", "door status", "next train", "pulse", "oxygen"),
    *("weight", "calories", "speed", "altitude", "light level", "dew point", "queue"),
)
_OPTIONS = (
    "low, medium, high; off, low, high; off, on, auto; eco, comfort, boost; heat, cool, auto, off; "
    "movie, party, sleep; red, green, blue; small, medium, large; slow, normal, fast, turbo; home, away, night; "
    "left, center, right; jazz, rock, classical, pop; coffee, tea, water; monday, wednesday, friday; "
    "saturday, sunday; monday, tuesday, thursday; morning, noon, evening; warm white, cool white, daylight; "
    "open, half, closed; quiet, standard, strong; cotton, wool, delicate, quick; yes, no, maybe; hot, cold; "
    "english, german, french; dim, bright; pizza, pasta, salad; relax, focus, energize; sun, rain, snow, fog; "
    "silent, vibrate, ring; standard, express; "
)
OPTIONS = tuple(tuple(each.split(", ")) for each in _OPTIONS.strip("; ").split("; "))
PICKS = (
    *("mode", "scene", "fan speed", "color", "size", "genre", "drink", "source", "input", "program", "language"),
    *("level", "day", "channel", "playlist", "strength", "preset", "theme", "unit", "effect", "room", "season"),
    *("profile", "heating mode", "quality"),
)
FIELDS = (
    *("name", "email", "phone", "password", "address", "message", "age", "city", "comment", "first name"),
    *("last name", "company", "username", "quantity", "notes", "zip code", "country", "subject", "feedback"),
    *("weight", "height", "title", "room number", "street", "serial number", "license plate", "guests", "nickname"),
    *("description", "price", "amount", "reason", "team"),
)
LONG = ("message", "comment", "notes", "feedback", "description", "address", "reason")
NUMERIC = ("age", "quantity", "weight", "height", "guests", "price", "amount", "room number", "zip code")
FORMS = (
    *("sign up", "contact", "registration", "feedback", "order", "booking", "profile", "check in", "survey", "login"),
    *("guest", "delivery", "support", "member", "reservation", "visitor", "repair", "donation", "newsletter"),
    *("membership", "rental"),
)
ITEMS = (
    *("milk", "eggs", "bread", "butter", "apples", "bananas", "coffee", "rice", "cheese", "tomatoes", "onions"),
    *("flour", "sugar", "call mom", "buy stamps", "water the plants", "feed the cat", "walk the dog"),
    *("take out the trash", "pay rent", "vacuum", "do the dishes", "clean the kitchen", "book the dentist"),
    *("iron shirts", "passport", "sunscreen", "tooth brush", "charger", "socks", "towel", "umbrella", "tent"),
    *("sleeping bag", "flashlight", "screws", "solder", "glue", "batteries", "tape", "yogurt", "olive oil"),
    *("chicken", "pasta", "chocolate", "paper towels", "soap", "fix the bike", "write the report", "mow the lawn"),
)
LISTS = (
    *("shopping", "to do", "packing", "grocery", "chores", "reading", "wish", "party", "morning", "camping"),
    *("repair", "weekend"),
)
BUTTONS = (
    *("save", "apply", "cancel", "start", "stop", "reset", "send", "submit", "done", "ok", "refresh", "update"),
    *("open", "close", "next", "back", "confirm", "accept", "reject", "go", "pause", "play", "snooze", "dismiss"),
    *("lock", "unlock", "clear", "delete", "order now", "try again", "turn off", "all off", "all on", "boost"),
    *("record", "search", "call", "feed", "water", "launch", "open the gate", "good night", "panic", "ring", "test"),
    *("calibrate", "up", "down", "left", "right", "add", "check", "skip"),
)
DEEDS = (
    *("delete the file", "unlock the door", "turn everything off", "restart the router", "open the garage"),
    *("start the pump", "cancel the order", "send the message", "erase the disk", "leave the house"),
    *("close the shutters", "feed the fish", "lock all doors", "reset the device", "pay the bill"),
    *("stop the machine", "install the update", "empty the tank", "format the card", "water the garden"),
    *("shut down the server", "call a taxi", "arm the alarm", "clear the history"),
)
SAYINGS = (
    *("dinner is ready", "the laundry is done", "please close the door", "do not disturb", "meeting in progress"),
    *("welcome home", "happy birthday anna", "back in five", "out of order", "wet paint", "the baby is sleeping"),
    *("mind the step", "hello world", "good morning", "the printer is broken", "on air", "recording"),
    *("ask at the desk", "no coffee before noon", "we are closed"),
)
VIEWS = (
    *("front door", "driveway", "baby", "garden", "back yard", "printer", "bird feeder", "pool", "street", "gate"),
    *("parking", "lab"),
)
SONGS = (
    *("the beatles", "morning jazz", "my playlist", "radio", "the kitchen", "podcasts", "classical music"),
    *("party mix", "vinyl"),
)
TITLES = (
    *("my panel", "control center", "evening", "greenhouse control", "robot", "printer control", "home"),
    *("movie night", "test bench", "brew station", "beehive", "lab", "party room", "weather station", "fish tank"),
    *("model railway", "camper van", "boat", "drone"),
)


def part(names: Sequence[T], held: bool) -> list[T]:
    """The names for training, or those held back."""
    return [name for i, name in enumerate(names) if (i % HELD_EVERY == HELD_EVERY - 1) == held]


def draw_name(rng: np.random.Generator, names: Sequence[str], held: bool, invent: float = INVENTED) -> str:
    """A name of a list; in training, now and then a made-up one, so that any word can be a name."""
    if held or rng.random() > invent:
        own = part(names, held) or list(names)
        return own[rng.integers(len(own))]
    return made_up(rng, held_words())


def draw_names(rng: np.random.Generator, names: Sequence[str], count: int, held: bool, invent: float = INVENTED) -> list[str]:
    """Different names."""
    found: list[str] = []
    while len(found) < count:
        name = draw_name(rng, names, held, invent)
        if name not in found:
            found.append(name)
    return found


@cache
def held_words() -> frozenset[str]:
    """The words of names that are held back, except those of names for training."""
    lists = (ROOMS, DEVICES, LEVELS, READINGS, PICKS, FIELDS, FORMS, ITEMS, LISTS, BUTTONS, DEEDS, SAYINGS, VIEWS, SONGS, TITLES)

    def words(held: bool) -> set[str]:
        own = [name for names in lists for name in part(names, held)]
        own += [option for options in part(OPTIONS, held) for option in options]
        return {word for name in own for word in name.split(" ")}

    return frozenset(words(True) - words(False))
