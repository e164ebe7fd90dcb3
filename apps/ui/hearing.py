"""How spoken requests are heard: in short blocks, by a captioner that is told what they may say: words of interfaces, and the
labels of the present panel."""

from unmask.apps.ui.surface import Panel
from unmask.speech.words import LONGEST_PHRASE, Phrase

BLOCK_S = 0.032  # of audio, a frame of the voice activity detector: a pause that ends a request is noticed at a block's end
WORDS = (
    *("slider", "sliders", "dimmer", "thermostat", "switch", "switches", "toggle", "button", "buttons", "dial", "knob", "fader"),
    *("checkbox", "check box", "picker", "selector", "dropdown", "drop down", "menu", "field", "form", "dashboard", "panel"),
    *("screen", "page", "card", "list", "checklist", "timer", "alarm", "media player", "player", "settings", "confirmation"),
    *("notice", "heading", "icon", "label", "labeled", "called", "named", "titled", "range", "minimum", "maximum", "min", "max"),
    *("percent", "degrees", "seconds", "minutes", "hours", "option", "options", "choice", "choices", "default", "remove"),
    *("delete", "rename", "add", "insert", "undo", "increase", "decrease", "raise", "lower", "turn on", "turn off", "set to"),
    *("from", "to", "between", "gauge", "reading", "meter", "video", "camera", "picture", "image"),
    *("brightness", "volume", "temperature", "humidity", "speed"),
)


def expected(panel: Panel | None) -> list[Phrase]:
    """Phrases for `Captioner.expect` before a request that is said to this panel."""
    labels = [row.label for row in panel.rows] if panel else []
    parts = [word for label in labels for word in (label, *label.split()) if len(word) > 2]
    fit = [word for word in parts if word.isprintable() and any(map(str.isalnum, word)) and len(word) <= LONGEST_PHRASE]
    return [Phrase(word) for word in dict.fromkeys((*WORDS, *fit))]
