"""Shows a canvas on the terminal while it is filled: its tokens, colored by confidence.

Knows steps and colors. Knows no audio and no engine.
"""

from rich.console import Console
from rich.live import Live
from rich.text import Text
from tokenizers import Tokenizer

from unmask.decoding.denoiser import Step

# (lowest confidence, style)
COLORS = ((0.95, "green"), (0.8, "yellow"), (0.5, "dark_orange"), (0.0, "red"))
MASK = "░"
SPACE = "\u2581"  # of sentencepiece's tokens; a decoder leaves it out at the beginning of a text


class CanvasView:
    """Shows each step of a canvas on stderr, in place; the last step of each canvas stays on the screen.

    If stderr is not a terminal, every step is printed.
    """

    def __init__(self, tokenizer: Tokenizer, mask_id: int, start: int = 0) -> None:
        """start: the first position after the prompt."""
        self._tokenizer, self._mask_id, self._start = tokenizer, mask_id, start
        self.console = Console(stderr=True)
        self._live: Live | None = None

    def show(self, step: Step) -> None:
        text = self.text(step)
        if not self.console.is_terminal:
            self.console.print(text)
            return
        if step.number == 1 or self._live is None:
            self.close()
            self._live = Live(console=self.console, auto_refresh=False)
            self._live.start()
        self._live.update(text, refresh=True)

    def text(self, step: Step) -> Text:
        """What is shown of a step."""
        return render(step, self._tokenizer, self._mask_id, self._start)

    def close(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None


def render(step: Step, tokenizer: Tokenizer, mask_id: int, start: int = 0) -> Text:
    """The canvas after a step: committed tokens bold, the tentative ones of masks dim or as shaded cells."""
    text = head(step, start)
    rows = zip(step.ids.tolist(), step.tentative.tolist(), step.confidence.tolist(), strict=True)
    for committed, guess, confidence in list(rows)[start:]:
        if committed == mask_id:
            text.append(MASK if guess == mask_id else written(tokenizer, guess), style="dim " + color(confidence))
        else:
            text.append(written(tokenizer, committed), style="bold " + color(confidence))
    return text


def head(step: Step, start: int) -> Text:
    """The line above a canvas. start: the first position after the prompt."""
    done, all_of_them = len(step.ids) - start - step.masked, len(step.ids) - start
    return Text(f"pass {step.number}  {done}/{all_of_them} places  {step.rows} rows  {1000 * step.seconds:.0f} ms\n", style="dim")


def written(tokenizer: Tokenizer, token: int) -> str:
    """A token as it is within a text. Special ones are shown too: the canvas holds them."""
    space = " " if (tokenizer.id_to_token(token) or "").startswith(SPACE) else ""
    return space + str(tokenizer.decode([token], skip_special_tokens=False)).removeprefix(space)


def color(confidence: float) -> str:
    return next(style for least, style in COLORS if confidence >= least)
