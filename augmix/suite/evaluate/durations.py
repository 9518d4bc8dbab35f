"""The time that an experiment spent, by stage, from what its jobs left beside their logs."""

from collections import defaultdict
from collections.abc import Sequence

from augmix.suite.config.experiment import Experiment
from augmix.suite.io import times
from augmix.suite.io.times import Times

START_UP = "start-up"
OF_RUN = ("train", "validate", "evaluate")
OF_EXPERIMENT = ("choose", "collect", "report", "track")


def jobs(experiment: Experiment) -> list[Times]:
    """The times of every job that there are any of; a job that was started again has those of its last start."""
    logs = [experiment.data / "logs" / f"prepare-{folder}.log" for folder in experiment.folders]
    logs += [experiment.data / "logs" / f"generate-{making.id}.log" for making in experiment.makings()]
    logs += [experiment.folder / run.path / f"{name}.log" for run in experiment.runs for name in OF_RUN]
    logs += [experiment.folder / "logs" / f"{name}.log" for name in OF_EXPERIMENT]
    return [found for log in logs if (found := times.read(log)) is not None]


def spent(found: Sequence[Times]) -> dict[str, float]:
    """The seconds of these jobs by what they were spent on, the largest first."""
    total: defaultdict[str, float] = defaultdict(float)
    for job in found:
        for name, seconds in {**job.spent, START_UP: job.start_up}.items():
            total[name] += seconds
    return dict(sorted(total.items(), key=lambda pair: -pair[1]))


def elapsed(found: Sequence[Times]) -> float:
    """The seconds in which at least one of these jobs ran."""
    seconds, reached = 0.0, float("-inf")
    for job in sorted(found, key=lambda job: job.began):
        seconds += max(job.ended - max(job.began, reached), 0.0)
        reached = max(reached, job.ended)
    return seconds
