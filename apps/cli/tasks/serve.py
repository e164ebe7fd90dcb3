"""`unmask serve`: live captions in a browser, for this machine unless another address is named, and what is served beside them.

Knows options and models. The server is `unmask.apps.web.server`, which is imported on use.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from unmask.apps.audio.voice_activity import Silero
from unmask.apps.captions.word_list import read_word_list
from unmask.apps.cli.generators import Generators
from unmask.apps.cli.named_models import Name, open_named
from unmask.apps.cli.options import FLAG, SHIPPED, CheckChoice, EngineChoice, LiveChoice, TunedChoice, setting
from unmask.apps.cli.tasks.network import NetworkOptions, run_server
from unmask.apps.cli.tasks.ui import PANELS
from unmask.apps.modalities.heard import Listener
from unmask.apps.modalities.voices import read_voices
from unmask.apps.ui.board import Board
from unmask.apps.ui.filler import Filler
from unmask.apps.web.session import Limits
from unmask.bundle.manifest import load_bundle
from unmask.speech.captioner import TASK, Captioner
from unmask.speech.live import LiveCaptioner, LiveOptions

if TYPE_CHECKING:
    from unmask.apps.web.server import Page, Service, Sessions


@Parameter(name="*")
@dataclass(frozen=True)
class ServeOptions:
    """Options of `unmask serve`."""

    clients: int = 4
    """Live captions at once; they take turns."""
    requests: int = 16
    """Requests to the endpoints below /v1 that may be read, wait or be computed at once."""
    metrics: Annotated[bool, FLAG] = False
    """Serve figures for Prometheus at /metrics."""
    generator: Path | None = None
    """Folder of a bundle that generates: it draws for /v1/images/generations and speaks for /v1/audio/speech, where it can."""
    voices: Path | None = None
    """Folder of voices (.json files of `unmask speak --save-voice`) that /v1/audio/speech may be asked to speak in, by the names
    of the files, where the generator takes some. Only of people who have agreed to it."""
    words: Path | None = None
    """Text file of names and other words that may be said, as for `unmask caption`."""
    model: Name = "tiny"
    """tiny: the captioner that ships. base: Moonshine base, as for `unmask caption`."""
    bundle: Path = SHIPPED
    """Folder of a bundle, instead of a model's name."""
    studio: Path | None = None
    """Folder of a bundle that generates: its studio is served too, at /studio/."""


def serve(
    *,
    options: ServeOptions = ServeOptions(),
    network: NetworkOptions = NetworkOptions(),  # noqa: B008  (frozen)
    schedule: CheckChoice = CheckChoice(),  # noqa: B008
    live: LiveChoice = LiveChoice(),  # noqa: B008
    engine: EngineChoice = EngineChoice(),  # noqa: B008
    tuned: TunedChoice = TunedChoice(),  # noqa: B008
) -> None:
    """Serve a web page with live captions of the browser's microphone.

    Prints the page's address on stderr and runs until Ctrl-C; open segments are finished first. With ?overlay=1 the page shows
    nothing but captions, for OBS; the page panels/ makes panels of what is said or typed. Programs send recordings to
    /v1/audio/transcriptions, as to OpenAI's API, or stream to the WebSocket /captions: docs/endpoints.md, docs/realtime.md.
    """
    engine.options()  # refuses options that contradict each other before anything is opened
    limits, live_options, access = Limits(clients=options.clients), live.over(LiveOptions()), network.access()
    from unmask.apps.web.endpoints.service import EndpointLimits, Endpoints
    from unmask.apps.web.panels.service import Panels
    from unmask.apps.web.studio.service import Studio

    endpoint_limits = EndpointLimits(options.requests)
    Silero()  # raises now if its package is missing
    generators = Generators(engine)
    shown = generators("--studio", options.studio) if options.studio else None
    filler = cache(lambda: Filler(load_bundle(PANELS)).load())  # opened when somebody opens the page
    pages: list[Page] = [Panels(lambda: Board(filler()), access, options.clients)]
    pages += [Studio(shown[0], access, listener=Listener(SHIPPED), worker=shown[1])] if shown else []
    chosen = setting(open_named(options.model, options.bundle), TASK, engine, tuned)
    checks = schedule.over(chosen.schedule)
    words = read_word_list(options.words) if options.words else ()
    captioner = Captioner(chosen.bundle, chosen.engine, words=words).load()
    generator = generators("--generator", options.generator) if options.generator else None
    voices = read_voices("--voices", options.voices, generator[0] if generator else None)

    def services(sessions: Sessions) -> list[Service]:
        live_clients = sessions.__len__ if options.metrics else None
        return [
            Endpoints(
                captioner,
                checks,
                sessions.worker,
                access,
                endpoint_limits,
                generator=generator,
                live_clients=live_clients,
                voices=voices,
            )
        ]

    def open_live() -> LiveCaptioner:
        return LiveCaptioner(captioner.beside(), Silero(), live_options)  # each client may expect other words

    live_options = replace(live_options, schedule=checks)
    run_server(network, access, open_live, limits, services, pages)
