"""Before a start: which results were made with something else than what is there now, and what that costs."""

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from augmix.errors import UserError
from augmix.suite.config.experiment import Experiment
from augmix.suite.config.runs import Run
from augmix.suite.evaluate import stages, summaries
from augmix.suite.evaluate.stages import Change
from augmix.suite.io.files import read_mapping, write_text
from augmix.suite.io.progress import duration

MOST_DETAILS = 4
"""How many of the differing sources or settings a line names."""
VERBS = {
    "prepare": ("data set is prepared again", "data sets are prepared again"),
    "generate": ("file of {folders} is made again", "files of {folders} are made again"),
    "train": ("run trains again", "runs train again"),
    "evaluate": ("run is evaluated again", "runs are evaluated again"),
}
RETRAIN = "retrain"


def targets(
    experiment: Experiment, keep: bool = False, retrain: Sequence[str] = (), dry_run: bool = False
) -> tuple[list[Path], list[str]]:
    """The files that have to be made again although they are there, and lines that say why and what it takes.

    With `keep`, results that only the code would make anew are accepted as they are. `retrain` are runs that are
    trained again whatever is there. A `dry_run` changes no file.
    """
    again = [experiment.run(path) for path in retrain]
    found = stages.changes(experiment)
    if not dry_run:
        stages.prune(experiment, found)
    found = stages.unkept(experiment, found)
    lines: list[str] = []
    if kept := len(stages.kept(experiment)):
        stay = f"{kept} results made with other code stay as they were kept"
        lines.append(f"{stay}; delete {experiment.folder / stages.KEPT} to have them made again")
    if keep:
        old = [change for change in found if change.why in ("code", "unknown")]
        if not dry_run:
            stages.keep(experiment, old)
        found = [change for change in found if change not in old]
        if old:
            lines.append(f"{len(old)} results made with other code are kept; the report names them")
    for run in () if dry_run else again:
        _forget(experiment.folder / run.path)
    lines += [f"{run.path} trains again, as asked for" for run in again]
    lines += list(sentences(experiment, found))
    if any(change.why in ("code", "unknown") for change in found):
        lines.append("(`--keep` goes on with the results that are there)")
    forced = {change.target for change in found} | {experiment.folder / run.path / "model.pt" for run in again}
    forced |= set(_downstream(experiment, forced))
    stale = [experiment.folder / name for stage, name in OUTPUTS.items() if _is_stale(experiment, stage, name)]
    if stale and not forced:
        lines.append(f"made again of what is there now: {listed([path.name for path in stale])}")
    return sorted(forced | set(stale)), lines


OUTPUTS = {"choose": "chosen.csv", "collect": "metrics.csv", "report": "report.pdf"}
"""One output of each stage of the whole experiment."""


def _is_stale(experiment: Experiment, stage: str, name: str) -> bool:
    return (experiment.folder / name).exists() and not summaries.is_current(experiment, stage)


def _downstream(experiment: Experiment, forced: set[Path]) -> Iterator[Path]:
    """The files that are made of those: their own jobs keep what is still right."""
    data = {path.parent for path in forced if path.name == "dataset.json"}
    makings = {making.marker for making in experiment.makings() if Path(making.testset.data) in data}
    yield from makings
    made = forced | makings
    changed = {making.testset.data for making in experiment.makings() if making.marker in made} | {
        str(path) for path in data
    }
    for run in experiment.runs:
        folder = experiment.folder / run.path
        trains = folder / "model.pt" in made or Path(run.training.data) in data
        if trains and Path(run.training.data) in data:
            yield folder / "model.pt"
        for settings in (run.evaluation, run.validation):
            # One that is missing may never be asked for: only chosen runs are evaluated on the test sets.
            if settings is None or not (path := folder / f"{settings.output}.json").exists():
                continue
            if trains or settings.data in changed:
                yield path


def _forget(folder: Path) -> None:
    """Have a run train from its first step: without its checkpoints, and not taken over from another experiment."""
    for name in ("checkpoint.pt", "checkpoint.previous.pt", "diverged.json"):
        (folder / name).unlink(missing_ok=True)
    if folder.is_dir():
        write_text(folder / RETRAIN, "")


def sentences(experiment: Experiment, found: Sequence[Change]) -> Iterator[str]:
    """One line a stage and reason: `24 runs train again, about 9 min: augmix/mixing.py`."""
    groups: defaultdict[tuple[str, tuple[str, ...]], list[Change]] = defaultdict(list)
    trained = {change.run for change in found if change.stage == "train"}
    for change in found:
        if change.stage != "evaluate" or change.run not in trained:
            groups[change.stage, change.details].append(change)
    runs = {run.path: run for run in experiment.runs}
    for (stage, details), group in groups.items():
        count = len({change.run or change.name for change in group})
        seconds = sum(_seconds(experiment, runs[path], stage) for path in {c.run for c in group if c.run})
        about = f", about {duration(seconds / _side_by_side(group, runs))}" if seconds else ""
        shown = ", ".join(details[:MOST_DETAILS])
        more = f" and {len(details) - MOST_DETAILS} more" if len(details) > MOST_DETAILS else ""
        if stage == "prepare":
            more += _consequence(experiment, {change.target.parent for change in group})
        folders = listed(sorted({change.name.split()[0] for change in group}))
        yield f"{count} {VERBS[stage][count > 1].format(folders=folders)}{about}: {shown}{more}"


def _consequence(experiment: Experiment, data: set[Path]) -> str:
    """The trainings that follow where a data set's images come out otherwise: ` (4 runs train again if …)`."""
    trained = [run for run in experiment.runs if Path(run.training.data) in data]
    after = [run for run in trained if (experiment.folder / run.path / "model.pt").exists()]
    if not after:
        return ""
    seconds = sum(_seconds(experiment, run, "train") for run in after)
    said = VERBS["train"][len(after) > 1]
    return f" ({len(after)} {said} if its images come out otherwise, about {duration(seconds)} of one core)"


def listed(names: Sequence[str]) -> str:
    """`a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _seconds(experiment: Experiment, run: Run, stage: str) -> float:
    """How long a run's training or evaluation took the last time; 0 where that is not known."""
    folder, seconds = experiment.folder / run.path, 0.0
    sources = [(f"{experiment.output}.json", "seconds")]
    if stage == "train":
        sources.append(("provenance.json", "train_seconds"))
    for name, key in sources:
        with suppress(UserError):
            seconds += float(read_mapping(folder / name, {key: (int, float)})[key])
    return seconds


def _side_by_side(group: Sequence[Change], runs: dict[str, Run]) -> int:
    threads = max((runs[change.run].training.training["threads"] for change in group if change.run), default=1)
    return max(min((os.cpu_count() or 1) // threads, len(group)), 1)
