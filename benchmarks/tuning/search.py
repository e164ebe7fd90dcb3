"""The search for a setting: stage by stage around the best so far, then the front once more in one run.

Knows stages, a function that times settings, and rules. Knows no bundle, no audio and no screen.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from unmask.benchmarks.measure.harness import interleave
from unmask.benchmarks.tuning.pareto import Choice, Measured, Rules, Setting, as_points, choose, front

FINALISTS = 8
FINAL_SHARE = 2  # rounds of the last run, in rounds of a stage


@dataclass(frozen=True)
class Stage:
    name: str
    around: Callable[[Setting], list[Setting]]
    """Settings to try, given the best so far."""


@dataclass(frozen=True)
class Trials:
    """Runs settings. quality: of every setting that ran; answers do not change from run to run."""

    run: Callable[[Setting], float]
    """Seconds a unit."""
    quality: dict[Setting, float]
    keep: Callable[[Sequence[Setting]], None]
    """Called with the settings of each stage: nothing else has to stay open."""
    rounds: int
    warmup: int = 1


@dataclass(frozen=True)
class TuningResult:
    measured: Measured
    choice: Choice | None
    """None: no setting keeps both the quality and the budget."""
    stopped: bool
    """Whether the search was interrupted; the choice is among what was measured until then."""


def search(
    default: Setting, stages: Sequence[Stage], trials: Trials, rules: Rules, say: Callable[[str], None] = lambda line: None
) -> TuningResult:
    """Measure stage by stage. Ctrl-C keeps the complete stages, and is raised again only when there is none."""
    measured, stopped, best = Measured(default, ()), False, default
    try:
        for run, stage in enumerate(stages):
            known = {point.setting for point in measured.points}
            tried = [setting for setting in dict.fromkeys(stage.around(best)) if setting not in known and setting != default]
            if measured.points and not tried:
                continue
            say(stage.name)
            measured = timed_together(measured, tried, trials, trials.rounds, run)
            choice = choose(measured, rules)
            best = choice.point.setting if choice else default
        say("the best once more")
        finalists = last_ones(measured, rules)
        measured = timed_together(measured, finalists, trials, FINAL_SHARE * trials.rounds, len(stages))
    except KeyboardInterrupt:
        if not measured.points:
            raise
        stopped = True
    newest = max(point.run for point in measured.points)
    last = Measured(default, tuple(point for point in measured.points if point.run == newest))
    return TuningResult(measured, choose(measured if stopped else last, rules), stopped)


def last_ones(measured: Measured, rules: Rules) -> list[Setting]:
    """The front and the choice so far; if these are too many, those whose times are nearest to the choice."""
    choice = choose(measured, rules)
    middle = choice.point if choice else measured.base
    points = sorted(front(measured), key=lambda point: abs(measured.ms(point) - measured.ms(middle)))
    chosen = [middle.setting, *(point.setting for point in points)]
    return [setting for setting in dict.fromkeys(chosen) if setting != measured.default][:FINALISTS]


def timed_together(measured: Measured, settings: Sequence[Setting], trials: Trials, rounds: int, run: int) -> Measured:
    """Time the default and the settings in turns; the times of an interrupted run are lost."""
    trials.keep([measured.default, *settings])
    variants = {setting: (lambda s=setting: trials.run(s)) for setting in (measured.default, *settings)}
    seconds = interleave(variants, rounds, seed=run, warmup=trials.warmup)
    return measured.with_points(as_points(measured.default, seconds, trials.quality, run))


def runs_of(default: Setting, stages: Sequence[Stage], rounds: int, warmup: int = 1) -> list[tuple[str, int]]:
    """Each stage with the largest number of calls that it takes, around the default."""
    tried = [(stage.name, len({default, *stage.around(default)})) for stage in stages]
    counts = [(name, count * (rounds + warmup)) for name, count in tried if count > 1 or name == stages[0].name]
    return [*counts, ("the best once more", (FINALISTS + 1) * (FINAL_SHARE * rounds + warmup))]
