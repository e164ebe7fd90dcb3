"""`unmask wyoming`: a voice service for Home Assistant. Knows options and models; the protocol is `unmask.apps.wyoming`."""

import asyncio
import contextlib
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from cyclopts import Parameter

from unmask.apps.captions.word_list import read_word_list
from unmask.apps.cli.generators import Generators
from unmask.apps.cli.named_models import Name, open_named
from unmask.apps.cli.options import SHIPPED, CheckChoice, EngineChoice, LiveChoice, TunedChoice, require, setting
from unmask.apps.modalities.voices import read_voices
from unmask.speech.captioner import TASK, Captioner
from unmask.speech.live import LiveOptions


@Parameter(name="*")
@dataclass(frozen=True)
class WyomingOptions:
    """Options of `unmask wyoming`."""

    uri: str = "tcp://127.0.0.1:10300"
    """Address to listen on: tcp://HOST:PORT, unix:///PATH, or stdio://. The protocol has no token: whoever reaches the address
    may use it."""
    announce: str | None = None
    """Announce the service under this name in the local network, where Home Assistant finds it."""
    clients: int = 8
    """Clients at once; they take turns."""
    words: Path | None = None
    """Text file of names and other words that may be said, as for `unmask caption`. Clients may name more."""
    generator: Path | None = None
    """Folder of a bundle that generates: it speaks and answers, where it can."""
    voices: Path | None = None
    """Folder of voices (.json files of `unmask speak --save-voice`) to speak in, by the names of the files, where the generator
    takes some. Only of people who have agreed to it."""
    model: Name = "tiny"
    """tiny: the captioner that ships. base: Moonshine base, as for `unmask caption`."""
    bundle: Path = SHIPPED
    """Folder of a bundle, instead of a model's name."""


def wyoming(
    *,
    options: WyomingOptions = WyomingOptions(),
    schedule: CheckChoice = CheckChoice(),  # noqa: B008  (frozen)
    live: LiveChoice = LiveChoice(),  # noqa: B008
    engine: EngineChoice = EngineChoice(),  # noqa: B008
    tuned: TunedChoice = TunedChoice(),  # noqa: B008
) -> None:
    """Serve speech to text for Home Assistant, by the Wyoming protocol.

    Text streams while somebody speaks. Runs until Ctrl-C or SIGTERM; docs/home-assistant.md says how to install it.
    """
    engine.options()  # refuses options that contradict each other before anything is opened
    live_options = live.over(LiveOptions())
    require("wyoming", extra="wyoming")
    if options.announce is not None:
        require("zeroconf", extra="wyoming")
    from unmask.apps.wyoming.handler import Clients
    from unmask.apps.wyoming.models import Models
    from unmask.apps.wyoming.service import check_uri, serve

    check_uri(options.uri, options.announce is not None)
    clients = Clients(options.clients)
    chosen = setting(open_named(options.model, options.bundle), TASK, engine, tuned)
    live_options = replace(live_options, schedule=schedule.over(chosen.schedule))
    words = read_word_list(options.words) if options.words else ()
    captioner = Captioner(chosen.bundle, chosen.engine, words=words).load()
    generator = Generators(engine)("--generator", options.generator) if options.generator else None
    voices = read_voices("--voices", options.voices, generator[0] if generator else None)
    models = Models(captioner, live_options, generator, voices)
    models.open_live()  # raises now if the package of the voice activity detector is missing
    print(f"unmask: speech to text at {options.uri}  (Ctrl-C stops)", file=sys.stderr, flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(options.uri, models, clients, options.announce))
