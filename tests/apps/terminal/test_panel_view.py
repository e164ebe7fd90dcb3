"""A panel in a terminal: it fills in while somebody speaks, and what was answered stays above."""

import io

from rich.console import Console

from unmask.apps.terminal.panel_view import PanelView

LINES = ["╭──╮", "│ Volume │", "╰──╯"]


def view(terminal: bool) -> tuple[PanelView, io.StringIO]:
    out = io.StringIO()
    return PanelView(Console(file=out, force_terminal=terminal, width=60, highlight=False, _environ={"TERM": "xterm"})), out


def test_a_terminal_shows_the_state_and_keeps_answers() -> None:
    shown, out = view(True)
    assert shown.width == 60
    shown.show("thinking", "a volume", LINES)
    assert "thinking" in out.getvalue()
    shown.answer("showing", "a volume slider", "", LINES)
    shown.answer("not understood", "book a flight", "I can only show panels.", [])
    shown.close()
    text = out.getvalue()
    assert text.index("> a volume slider") < text.rindex("│ Volume │") < text.index("I can only show panels.")


def test_elsewhere_it_is_plain_text() -> None:
    shown, out = view(False)
    shown.show("thinking", "a volume", LINES)
    assert out.getvalue() == ""
    shown.answer("showing", "a volume slider", "", LINES)
    shown.answer("not understood", "book a flight", "I can only show panels.", [])
    shown.close()
    assert out.getvalue() == "> a volume slider\n╭──╮\n│ Volume │\n╰──╯\n> book a flight\nI can only show panels.\n"
