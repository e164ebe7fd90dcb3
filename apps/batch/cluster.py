"""Workers on Ray: one on each core of this machine, or of a cluster that exists. Needs the extra `unmask[batch]`.

Ray makes a worker again that dies, and gives its job to it again; one that kills its worker three times is told. Knows Ray
and workers. Knows no sound.
"""

import os
import signal
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from unmask.apps.batch.jobs import Job
from unmask.apps.batch.work import Done, Work, Worker
from unmask.errors import InputError, UnmaskError

AHEAD = 2  # jobs that wait at each worker, so that none is idle
RETRIES = 2
REACHED_S = 10.0
STORE_BYTES = 100 << 20  # what workers exchange is a few hundred bytes
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0", "RAY_DEDUP_LOGS": "0"}


@contextmanager
def connected(address: str | None, workers: int) -> Iterator[Any]:
    """Ray: of the cluster at the address, or one of this machine that ends with the context. Raises InputError."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    if address is not None:
        check_reached(address)
    import ray

    own: dict[str, Any] = {}
    if address is None:
        own = {"num_cpus": workers, "include_dashboard": False, "object_store_memory": STORE_BYTES}
    before = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(address or "local", log_to_driver=False, configure_logging=False, **own)
        signal.signal(signal.SIGTERM, before)  # the command has its own way to end
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise InputError(f"--address {address}: no Ray cluster is there ({' '.join(str(error).split())})") from error
    try:
        yield ray
    finally:
        ray.shutdown()


def check_reached(address: str) -> None:
    """Raises InputError if nobody listens at HOST:PORT, where Ray itself would wait for minutes."""
    host, _, port = address.rpartition("/")[2].rpartition(":")
    if not port.isdecimal():
        return  # auto, or a name that Ray knows
    try:
        socket.create_connection((host, int(port)), REACHED_S).close()
    except (OSError, OverflowError) as error:
        raise InputError(f"--address {address}: no Ray cluster is there ({error})") from error


def done_on_ray(work: Work, jobs: Sequence[Job], workers: int | None, address: str | None) -> Iterator[Done]:
    """What became of each job, in the order in which they are done. workers: by default one for each core.

    Raises InputError without a cluster, and UnmaskError if a worker cannot open the bundle.
    """
    with connected(address, workers or os.cpu_count() or 1) as ray:
        count = min(workers or int(ray.cluster_resources().get("CPU", 1)), len(jobs))
        made = ray.remote(num_cpus=1, max_restarts=-1, max_task_retries=RETRIES)(Worker)
        actors = [made.remote(work) for _ in range(count)]
        waiting, running = list(reversed(jobs)), dict[Any, tuple[Any, Job]]()
        for actor in actors * AHEAD:
            if waiting:
                _give(actor, waiting.pop(), running)
        while running:
            (ref,), _ = ray.wait(list(running), num_returns=1)
            actor, job = running.pop(ref)
            yield _result(ray, ref, job)
            if waiting:
                _give(actor, waiting.pop(), running)


def _give(actor: Any, job: Job, running: dict[Any, tuple[Any, Job]]) -> None:
    running[actor.make.remote(job)] = (actor, job)


def _result(ray: Any, ref: Any, job: Job) -> Done:
    try:
        done: Done = ray.get(ref)
        return done
    except ray.exceptions.ActorDiedError as error:
        raise UnmaskError(f"a worker cannot begin ({' '.join(str(error).split())[-300:]})") from error
    except ray.exceptions.RayError as error:
        return Done(job, error=f"its worker died {RETRIES + 1} times over it ({type(error).__name__})")
