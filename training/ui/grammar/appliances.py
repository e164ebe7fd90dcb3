"""Requests for what a house has: thermostats, lights, switches, timers, alarms, players."""

from unmask.apps.ui.slots import DEPTHS, NONE, OPTION, READING
from unmask.training.ui.grammar import names
from unmask.training.ui.grammar.controls import choices, picker, ranged, said_range, slider, switch
from unmask.training.ui.grammar.sketch import Sketch
from unmask.training.ui.grammar.titles import HEAD, buttons, expanded, fused, named

ALSO_SLIDERS = ("temperature control", "brightness control")  # without a room: sliders, as "a volume control" is


def thermostat(s: Sketch) -> str:
    what = s.talk.one(("thermostat", "thermostat", "heating control", "temperature control", "heater control"))
    said, tag = named(s, what, share=1 if what in ALSO_SLIDERS else 0.6)
    s.add("Text", tag, look=HEAD)
    said = expanded(s, said) + ranged(s, "Temperature", share=0.75, low="=10", high="=30")
    return said + buttons(s, 0.4)


def dimmer(s: Sketch) -> str:
    what = s.talk.one(("dimmer", "dimmer", "light dimmer", "brightness control"))
    said, tag = named(s, what, names.ROOMS + names.DEVICES, 1 if what in ALSO_SLIDERS else 0.6)
    s.add("Text", tag, look=HEAD)
    return expanded(s, said) + ranged(s, "Brightness", share=0.35, low="=0", high="=100") + buttons(s, 0.15)


SLIDERS = (
    *("[{n}] sliders for {l}", "sliders for {l}", "[{n}] sliders , {l} ,", "sliders {l}", "[{n}] (dials|knobs) for {l}"),
    *(
        "a slider each for {l}",
        "a (set|group) of [{n}] sliders for {l}",
        "{l} sliders",
        "[{n}] sliders (called|named|labeled) {l}",
    ),
    *("sliders (that say|marked|to set|to adjust) {l}", "(one|a) slider for each of {l}", "{l} (knobs|dials|faders)"),
    *("[{n}] (faders|knobs|dials|levers) (for|to set|named) {l}", "{l} each with a slider", "{l} as [{n}] sliders"),
    *("a slider (for|called) each [of] {l}", "(controls|levels) for {l} as sliders", "for {l} a slider each"),
)


def sliders(s: Sketch) -> str:
    """Several of one kind, or one."""
    if s.talk.chance(0.5):
        return slider(s) + buttons(s, 0.3)
    count = int(s.talk.rng.integers(2, 5))
    marked = [s.mark(name) for name in names.draw_names(s.talk.rng, names.LEVELS, count, s.held)]
    said = expanded(s, s.talk.one(SLIDERS)).replace("{l}", s.talk.listed([text for text, _ in marked])).replace("{n}", str(count))
    low = high = NONE
    if s.talk.chance(0.3):
        span, low, high = said_range(s, 0, float(s.talk.rng.integers(5, 300)), "percent")
        said += f" {span}"
    for _, tag in marked:
        s.add("Slider", tag, low=low, high=high)
    return said


def switches(s: Sketch) -> str:
    own = names.DEVICES if s.talk.chance(0.6) else names.ROOMS
    if s.talk.chance(0.25):
        return switch(s) + buttons(s, 0.1)
    count = int(s.talk.rng.integers(2, 7))
    the = s.talk.one(("", "the "))
    marked = [s.mark(name) for name in names.draw_names(s.talk.rng, own, count, s.held)]
    said = s.talk.say("lights", list=s.talk.listed([the + text for text, _ in marked]), n=f"{count}")
    if own is names.ROOMS and s.talk.chance(0.6):
        text, tag = s.mark(s.talk.one(("lights", "light switches", "lamps")))
        s.add("Text", tag, look=HEAD)
        said = expanded(s, f"({text} for {{l}}|{text} in {{l}})").replace(
            "{l}", s.talk.listed([the + text for text, _ in marked])
        )
    for _, tag in marked:
        s.add("CheckBox", tag)
    return said + buttons(s, 0.1)


def alone(s: Sketch) -> str:
    """Nothing but what has a control: "kitchen lights", "the fan", "volume"."""
    names_of = s.talk.one(("light", "device", "level"))
    if names_of == "light":
        room = names.draw_name(s.talk.rng, names.ROOMS, s.held, invent=0)
        text, tag = s.mark(f"{room} {s.talk.one(('lights', 'light', 'lamp', 'lights', 'fan', 'heating', 'door'))}")
    else:
        text, tag = s.name(names.DEVICES if names_of == "device" else names.MOVED, invent=0)
    s.add("Slider" if names_of == "level" else "CheckBox", tag)
    return expanded(s, "[the|my] {t}").replace("{t}", text)


def pick(s: Sketch) -> str:
    if s.talk.chance(0.55):
        return picker(s) + buttons(s, 0.25)
    s.add("ChoicePicker")
    return s.talk.say("choose", options=choices(s, DEPTHS[1])) + buttons(s, 0.25)


def timer(s: Sketch) -> str:
    rng = s.talk.rng
    unit = s.talk.one(("minute", "minutes", "minutes", "seconds", "hours", "second"))
    name = s.name(names.TIMERS)
    count, number = s.number(float(rng.integers(1, 13) if s.talk.chance(0.5) else 5 * rng.integers(3, 19)))
    said, title = fused(s, s.talk.say("timers", count=count, unit=unit), name, "timer", "Timer")
    s.add("Text", title, look=HEAD)
    s.add(READING, "Remaining", value=number, look=f"<style {unit.rstrip('s')}s>")
    s.add("Row")
    for label in ("Start", "Pause", "Reset"):
        s.add("Button", label, place=DEPTHS[1], look="<style primary>" if label == "Start" else NONE)
    return said


DAYS = (("monday", "friday"), ("saturday", "sunday"), ("monday", "wednesday", "friday"), ("tuesday", "thursday"), ("sunday",))


def alarm(s: Sketch) -> str:
    rng = s.talk.rng
    if s.talk.chance(0.1):
        s.add("Text", "Alarm", look=HEAD)
        s.add("DateTimeInput", "Time", look="<style time>")
        return expanded(s, "[an|the|my] alarm [clock]")
    hour, minute = int(rng.integers(1, 13)), int(rng.integers(0, 12)) * 5
    half = s.talk.one(("am", "pm", "a m", "p m", "am"))
    time = s.talk.one(
        (
            f"{hour} {minute} {half}" if minute >= 10 else f"{hour} {half}",
            f"{hour}:{minute:02d}",
            f"half past {hour}",
            f"{hour} {half}",
        )
    )
    text, tag = s.mark(time)
    name = s.name(names.ALARMS)
    days = DAYS[rng.integers(len(DAYS))]
    marked = [s.mark(day) for day in days]
    said = s.talk.say("alarms", time=text, days="on " + s.talk.listed([day for day, _ in marked]))
    said, title = fused(s, said, name, "alarm", "Alarm")
    s.add("Text", title, look=HEAD)
    s.add("DateTimeInput", "Time", value=tag, look="<style time>")
    if "\x01" + marked[0][1][1:] + "\x02" in said:
        s.add("ChoicePicker", "Days", look="<style multipleSelection>")
        for _, day in marked:
            s.add(OPTION, day, place=DEPTHS[1], value="<on>")
    return said


def player(s: Sketch) -> str:
    what, tag = s.mark(
        s.talk.one(("music player", "media player", "player", "radio", "audio player", "music controls", "remote"))
    )
    song, other = s.name(names.SONGS)
    pattern = s.talk.one((f"a {what}", f"a {what} for {song}", f"a {what} playing {song}", f"[the|a] {what}"))
    said = expanded(s, pattern)
    s.add("Text", other if "\x01" + other[1:] + "\x02" in said else tag, look=HEAD)
    s.add("Row")
    for label, icon in (("Previous", "skipPrevious"), ("Play", "play"), ("Next", "skipNext")):
        s.add("Button", label, place=DEPTHS[1], look=f"<icon {icon}>")
    if s.talk.chance(0.5):
        text, volume = s.mark("volume")
        said += s.talk.one((f" with {text}", f" with a {text} slider", f" and {text} [control]", f" and a {text} slider"))
        said = expanded(s, said) + ranged(s, volume, share=0.15, low="=0", high="=100")
    return said
