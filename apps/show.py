"""The live view: tokens appearing on the canvas, coloured by confidence.

Knows steps and colours. Knows no audio and no engine.
"""

from rich.console import Console
from rich.live import Live
from rich.text import Text

from unmask.captioner import Captioner
from unmask.sampler import Step

# (least confidence, style): committed text is bold in its colour, a tentative guess is dim
COLOURS = ((0.95, "green"), (0.8, "yellow"), (0.5, "dark_orange"), (0.0, "red"))
MASK, BLANK = "░", "·"


class LiveView:
    """Shows each step of one window after the other on stderr; leaves the last state of each on the screen.

    Where stderr is no terminal, every step is printed.
    """

    def __init__(self, captioner: Captioner) -> None:
        self.captioner = captioner
        self.console = Console(stderr=True)
        self._live: Live | None = None

    def show(self, step: Step) -> None:
        text = render(self.captioner, step)
        if not self.console.is_terminal:
            self.console.print(text)
            return
        if step.number == 1 or self._live is None:
            self.close()
            self._live = Live(console=self.console, auto_refresh=False)
            self._live.start()
        self._live.update(text, refresh=True)

    def close(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None


def render(captioner: Captioner, step: Step) -> Text:
    """The canvas after a step: a token a slot, masks as shaded cells with their guess dim, blanks as dots."""
    mask_id, blank = captioner.bundle.manifest.vocabulary.mask_id, captioner.blank
    done = len(step.ids) - step.masked
    text = Text(
        f"pass {step.number}  {done}/{len(step.ids)} slots  {step.rows} rows  {1000 * step.seconds:.0f} ms\n", style="dim"
    )
    for committed, guess, confidence in zip(step.ids.tolist(), step.tentative.tolist(), step.confidence.tolist(), strict=True):
        token = BLANK if guess == blank else captioner.tokenizer.decode([guess])
        if committed == mask_id:
            text.append(token if guess != blank else MASK, style="dim " + colour(confidence))
        else:
            text.append(token, style="bold " + colour(confidence) if committed != blank else "bright_black")
    return text


def colour(confidence: float) -> str:
    return next(style for least, style in COLOURS if confidence >= least)
