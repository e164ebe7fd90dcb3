"""Requests written by hand, without the grammar that the model is trained on, and what they ask for."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from unmask.apps.ui import slots
from unmask.apps.ui.slots import OPTION, READING
from unmask.apps.ui.surface import Outcome, Panel, Row, add_row, block_end, settled

Change = Callable[[Panel], Panel]


@dataclass(frozen=True)
class Wanted:
    """A request, the panel that it is said to, and what it asks for."""

    text: str
    panel: Panel | None
    outcome: Outcome
    task: str


def panel(*rows: Row | list[Row]) -> Panel:
    flat = [each for row in rows for each in (row if isinstance(row, list) else [row])]
    return settled(Panel(tuple(flat)))


def title(label: str) -> Row:
    return Row("Text", label=label, style="h3")


def slider(label: str, low: float | None = None, high: float | None = None, value: float | None = None) -> Row:
    value = None if value is None else float(value)
    return Row("Slider", label=label, low=low, high=high, value=value)


def switches(*labels: str, depth: int = 0) -> list[Row]:
    return [Row("CheckBox", depth, label) for label in labels]


def picker(label: str, *options: str, chosen: str = "", many: bool = False) -> list[Row]:
    style = "multipleSelection" if many else ""
    return [Row("ChoicePicker", label=label, style=style), *(Row(OPTION, 1, each, value=each == chosen) for each in options)]


def button(label: str, icon: str = "", depth: int = 0) -> Row:
    return Row("Button", depth, label, icon=icon)


def fields(*labels: str, style: str = "") -> list[Row]:
    return [Row("TextField", label=label, style=style) for label in labels]


def readings(*labels: str) -> list[Row]:
    return [title("Dashboard"), Row("Row"), *(Row(READING, 1, label) for label in labels)]


def todo(name: str, *items: str) -> list[Row]:
    return [title(name), Row("List"), *switches(*items, depth=1)]


def buttons(*labels: str) -> list[Row]:
    return [Row("Row"), *(button(label, depth=1) for label in labels)]


def timer(name: str, count: float, unit: str) -> list[Row]:
    return [title(name), Row(READING, label="Remaining", value=float(count), style=unit), *buttons("Start", "Pause", "Reset")]


def alarm(name: str, time: str, *days: str) -> list[Row]:
    chosen = [Row("ChoicePicker", label="Days", style="multipleSelection")] * bool(days)
    return [
        title(name),
        Row("DateTimeInput", label="Time", value=time, style="time"),
        *chosen,
        *(Row(OPTION, 1, d, value=True) for d in days),
    ]


def player(name: str, volume: bool = False) -> list[Row]:
    icons = (("Previous", "skipPrevious"), ("Play", "play"), ("Next", "skipNext"))
    keys = [Row("Row"), *(button(label, icon, 1) for label, icon in icons)]
    return [title(name), *keys, *[slider("Volume", 0, 100)] * volume]


THERMOSTAT = panel(title("Bedroom"), slider("Temperature", 10, 30), button("Save"))
LAMPS = panel(title("Lights"), switches("Kitchen", "Hall", "Desk lamp"))
COLORS = panel(slider("Red", 0, 255), slider("Green", 0, 255), slider("Blue", 0, 255))
FAN = panel(picker("Fan speed", "Low", "Medium", "High"), button("Apply"))
SHOPPING = panel(todo("Shopping list", "Milk", "Eggs"))
VOLUME = panel(slider("Volume", 0, 10, 4))
CONTACT = panel(title("Contact"), fields("Name", "Email"), button("Submit"))

NEW: dict[str, Panel] = {
    "a thermostat for the bedroom from ten to thirty degrees with a save button": THERMOSTAT,
    "can I please have a slider that sets the volume between zero and eleven": panel(slider("Volume", 0, 11)),
    "give me three sliders, red, green and blue, each from 0 to 255": COLORS,
    "I'd like a dimmer for the living room": panel(title("Living room"), slider("Brightness", 0, 100)),
    "switches for the pump, the heater and the lights": panel(switches("Pump", "Heater", "Lights")),
    "put up a switch for the porch light": panel(switches("Porch light")),
    "fan speed: low, medium or high": panel(picker("Fan speed", "Low", "Medium", "High")),
    "let me choose between tea and coffee": panel(picker("", "Tea", "Coffee")),
    "set a timer for twelve minutes": panel(timer("Timer", 12, "minutes")),
    "pizza timer for 9 minutes": panel(timer("Pizza timer", 9, "minutes")),
    "start a countdown of thirty seconds": panel(timer("Timer", 30, "seconds")),
    "wake me up at half past six": panel(alarm("Alarm", "06:30")),
    "set an alarm for 7:15 on monday and friday": panel(alarm("Alarm", "07:15", "Monday", "Friday")),
    "music player with volume": panel(player("Music player", True)),
    "show me a player for the radio": panel(player("Radio")),
    "a login screen": panel(title("Login screen"), fields("Email"), fields("Password", style="obscured"), button("Log in")),
    "a contact form with name, email and phone": panel(title("Contact"), fields("Name", "Email", "Phone"), button("Submit")),
    "make a feedback form with name and age and a send button": panel(
        title("Feedback"), fields("Name"), fields("Age", style="number"), button("Send")
    ),
    "my shopping list: milk, eggs and two avocados": panel(todo("Shopping list", "Milk", "Eggs", "2 avocados")),
    "a packing list with socks, a towel and my passport": panel(todo("Packing list", "Socks", "A towel", "My passport")),
    "show temperature, humidity and pressure": panel(readings("Temperature", "Humidity", "Pressure")),
    "a dashboard with battery and signal strength": panel(readings("Battery", "Signal strength")),
    "ask me whether to unlock the door": panel(title("Unlock the door"), buttons("Yes", "No")),
    "confirm deleting all photos": panel(title("Deleting all photos"), buttons("Yes", "No")),
    "show a message saying back at noon": panel(title("Back at noon")),
    "buttons for up, down, left and right": panel(buttons("Up", "Down", "Left", "Right")),
    "a row of buttons called red, green and blue": panel(buttons("Red", "Green", "Blue")),
    "a slider for the zoom and a reset button": panel(slider("Zoom"), button("Reset")),
    "a temperature slider from minus ten to forty": panel(slider("Temperature", -10, 40)),
    "a panel called greenhouse with a switch for the pump and a humidity slider from 20 to 80": panel(
        title("Greenhouse"), switches("Pump"), slider("Humidity", 20, 80)
    ),
    "I need a text field for my nickname": panel(fields("Nickname")),
    "a speed slider from 0 to 3 set to 2 and a start button": panel(slider("Speed", 0, 3, 2), button("Start")),
    "a slider from one to ten": panel(slider("", 1, 10)),
    "show the front door camera": panel(Row("Video", label="Front door camera")),
    "a picture of the garden": panel(Row("Image", label="Garden")),
    "a switch for the fan that is on": panel(Row("CheckBox", label="Fan", value=True)),
    "a volume slider up to fifty": panel(slider("Volume", None, 50)),
    "a heating control for the nursery between 18 and 24 degrees": panel(title("Nursery"), slider("Temperature", 18, 24)),
    "pick a scene: movie, party, reading or sleep": panel(picker("Scene", "Movie", "Party", "Reading", "Sleep")),
    "a mode picker with eco, comfort and boost with eco selected": panel(picker("Mode", "Eco", "Comfort", "Boost", chosen="Eco")),
    "a menu for the drink with water, juice and a confirm button": panel(picker("Drink", "Water", "Juice"), button("Confirm")),
    "light switches for the kitchen, the bathroom and the attic": panel(
        title("Light switches"), switches("Kitchen", "Bathroom", "Attic")
    ),
    "uh show me a a slider for the brightness from zero to no from ten to ninety": panel(slider("Brightness", 10, 90)),
    "a slider for blorptang from 3 to 7": panel(slider("Blorptang", 3, 7)),
    "controls for my robot: a speed slider, an arm switch and a home button": panel(
        title("Robot"), slider("Speed"), switches("Arm"), button("Home")
    ),
    "settings with wifi and bluetooth switches and a brightness slider": panel(
        title("Settings"), switches("Wifi", "Bluetooth"), slider("Brightness")
    ),
    "a date picker for the delivery": panel(Row("DateTimeInput", label="Delivery", style="date")),
    "a time picker for dinner": panel(Row("DateTimeInput", label="Dinner", style="time")),
    "a save button with a heart icon": panel(button("Save", "favorite")),
    "an order form asking for size, quantity and notes": panel(
        title("Order"), fields("Size"), fields("Quantity", style="number"), fields("Notes", style="longText"), button("Submit")
    ),
    "thermostat": panel(title("Thermostat"), slider("Temperature", 10, 30)),
    "please make me a volume control with a mute switch": panel(slider("Volume"), switches("Mute")),
}


def changed(index: int, **more: object) -> Change:
    return lambda before: settled(
        replace(before, rows=tuple(replace(r, **more) if i == index else r for i, r in enumerate(before.rows)))
    )  # type: ignore[arg-type]


def added(row: Row, after: str | None = None) -> Change:
    return lambda before: settled(replace(before, rows=tuple(add_row(list(before.rows), row, after))))


def without(index: int) -> Change:
    return lambda before: settled(replace(before, rows=before.rows[:index] + before.rows[block_end(before.rows, index) :]))


def moved(index: int, to: int) -> Change:
    def move(before: Panel) -> Panel:
        rows = [row for i, row in enumerate(before.rows) if i != index]
        rows.insert(to, before.rows[index])
        return settled(replace(before, rows=tuple(rows)))

    return move


EDITS: tuple[tuple[Panel, str, Change], ...] = (
    (THERMOSTAT, "make the maximum twenty five", changed(1, high=25.0)),
    (THERMOSTAT, "the minimum should be fifteen", changed(1, low=15.0)),
    (THERMOSTAT, "set the temperature to 22", changed(1, value=22.0)),
    (THERMOSTAT, "a bit warmer please", changed(1, value=22.0)),
    (THERMOSTAT, "turn it down by three", changed(1, value=17.0)),
    (THERMOSTAT, "rename the save button to apply", changed(2, label="Apply")),
    (THERMOSTAT, "change the title to nursery", changed(0, label="Nursery")),
    (THERMOSTAT, "remove the button", without(2)),
    (THERMOSTAT, "add a switch for the fan", added(Row("CheckBox", label="Fan"))),
    (THERMOSTAT, "also a humidity slider from 20 to 80", added(slider("Humidity", 20, 80))),
    (THERMOSTAT, "let it go from 12 to 28", changed(1, low=12.0, high=28.0)),
    (THERMOSTAT, "please add a cancel button", added(button("Cancel"))),
    (LAMPS, "turn on the desk lamp", changed(3, value=True)),
    (LAMPS, "kitchen on", changed(1, value=True)),
    (LAMPS, "switch the hall on", changed(2, value=True)),
    (LAMPS, "delete the hall", without(2)),
    (LAMPS, "rename desk lamp to reading lamp", changed(3, label="Reading lamp")),
    (LAMPS, "put the desk lamp at the top", moved(3, 1)),
    (LAMPS, "and a switch for the garage", added(Row("CheckBox", label="Garage"))),
    (COLORS, "set green to 120", changed(1, value=120.0)),
    (COLORS, "make the maximum of blue one hundred", changed(2, high=100.0)),
    (COLORS, "turn red down", changed(0, value=102.0)),
    (COLORS, "call the second slider lime", changed(1, label="Lime")),
    (COLORS, "move blue to the top", moved(2, 0)),
    (FAN, "select high", changed(3, value=True)),
    (FAN, "set the fan speed to low", changed(1, value=True)),
    (FAN, "add turbo as an option", added(Row(OPTION, label="Turbo"))),
    (FAN, "remove the medium option", without(2)),
    (SHOPPING, "add butter to the list", added(Row("CheckBox", label="Butter"), "eggs")),
    (SHOPPING, "we also need olive oil", added(Row("CheckBox", label="Olive oil"), "eggs")),
    (SHOPPING, "check off the milk", changed(2, value=True)),
    (SHOPPING, "take eggs off the list", without(3)),
    (VOLUME, "louder", changed(0, value=5.0)),
    (VOLUME, "volume to seven", changed(0, value=7.0)),
    (VOLUME, "limit the volume to 8", changed(0, high=8.0)),
    (CONTACT, "add a phone field", added(Row("TextField", label="Phone"))),
    (CONTACT, "I don't need the email", without(2)),
    (CONTACT, "give the submit button a mail icon", changed(3, icon="mail")),
)
OTHERS: tuple[tuple[Panel | None, str, str], ...] = (
    (THERMOSTAT, "undo that", slots.UNDO),
    (LAMPS, "take that back", slots.UNDO),
    (VOLUME, "no, that was wrong", slots.UNDO),
    (THERMOSTAT, "close it", slots.CLOSE),
    (SHOPPING, "go away please", slots.CLOSE),
    (LAMPS, "hide everything", slots.CLOSE),
    (None, "book me a flight to paris", slots.CANNOT),
    (None, "what is the weather like tomorrow", slots.CANNOT),
    (THERMOSTAT, "who is the president of france", slots.CANNOT),
    (None, "order a large pizza", slots.CANNOT),
    (LAMPS, "tell me a joke", slots.CANNOT),
    (None, "call my mother", slots.CANNOT),
    (VOLUME, "how tall is the eiffel tower", slots.CANNOT),
    (None, "translate good morning into japanese", slots.CANNOT),
    (None, "the of and", slots.UNCLEAR),
    (FAN, "mm yeah right", slots.UNCLEAR),
    (None, "das ist ein schöner tag", slots.UNCLEAR),
    (None, "quiero una cerveza por favor", slots.UNCLEAR),
)


def written() -> list[Wanted]:
    """All requests."""
    found = [Wanted(text, None, Outcome(slots.NEW, made, True), "new") for text, made in NEW.items()]
    found += [Wanted(text, before, Outcome(slots.EDIT, change(before), True), "edit") for before, text, change in EDITS]
    for before, text, kind in OTHERS:
        after = None if kind == slots.CLOSE else before
        found.append(Wanted(text, before, Outcome(kind, after, kind == slots.CLOSE), kind.strip("<>")))
    return found
