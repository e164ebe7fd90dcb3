"""`unmask studio`: a page that runs every task of a model and shows each pass, opened in this machine's browser.

Knows options and models. The server is `unmask.apps.web.server`, which is imported on use.
"""

from dataclasses import dataclass
from pathlib import Path

from cyclopts import Parameter

from unmask.apps.cli.options import SHIPPED, SHIPPED_OMNI, EngineChoice
from unmask.apps.cli.tasks.network import NetworkOptions, run_server
from unmask.apps.modalities.heard import Listener
from unmask.apps.web.session import Limits
from unmask.session import open_model


@Parameter(name="*")
@dataclass(frozen=True)
class StudioOptions:
    """Options of `unmask studio`."""

    browser: bool = True
    """Open the page in this machine's browser. Its address is printed in any case."""


def studio(
    bundle: Path = SHIPPED_OMNI,
    /,
    *,
    options: StudioOptions = StudioOptions(),
    network: NetworkOptions = NetworkOptions(),  # noqa: B008  (frozen)
    engine: EngineChoice = EngineChoice(),  # noqa: B008
) -> None:
    """Open a page that runs every task of a model and shows each pass.

    Draw, drop, record or write what a task takes, watch its answer unmask, step back and forth, compare two settings, and paint
    regions anew. Prints the page's address on stderr and runs until Ctrl-C. docs/studio.md describes it.

    Parameters
    ----------
    bundle
        Folder of a bundle that generates, as `unmask export` writes it. Default: omni-tiny, which ships.
    """
    access = network.access()
    from unmask.apps.web.studio.service import Studio

    page = Studio(open_model(bundle, engine.options()), access, listener=Listener(SHIPPED))
    page.runs.session.load()
    run_server(network, access, None, Limits(), pages=[page], opened=options.browser)
