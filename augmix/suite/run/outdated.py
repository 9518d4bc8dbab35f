"""Before a start: which results were made with something else than what is there now, and what that costs."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from augmix.errors import UserError
from augmix.suite.config.experiment import Experiment
from augmix.suite.config.runs import Run
from augmix.suite.evaluate import stages, summaries
from augmix.suite.evaluate.stages import Change
from augmix.suite.io import machine
from augmix.suite.io.files import read_mapping, write_text
from augmix.suite.io.progress import duration
from augmix.suite.train.settings import RETRAIN

MOST_DETAILS = 4
"""How many of the differing sources or settings a line names."""
VERBS = {
    "prepare": ("data set is prepared again", "data sets are prepared again"),
    "generate": ("file of {folders} is made again", "files of {folders} are made again"),
    "train": ("run trains again", "runs train again"),
    "evaluate": ("run is evaluated again", "runs are evaluated again"),
}


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
    forced = set(_downstream(experiment, forced))
    outputs = {stage: experiment.folder / names[0] for stage, names in summaries.OUTPUTS.items()}
    if experiment.validation is None:
        del outputs["choose"]  # one that is there was left by an earlier configuration, and nothing makes it
    stale = [path for stage, path in outputs.items() if path.exists() and not summaries.is_current(experiment, stage)]
    # Where runs are to be made, the numbers and the report come after them in any case.
    whole = all((experiment.folder / run.path / f"{experiment.output}.json").exists() for run in experiment.runs)
    if stale and whole and not forced:
        lines.append(f"will be made again of the results that are there: {listed([path.name for path in stale])}")
    return sorted(forced | set(stale)), lines


def _downstream(experiment: Experiment, forced: set[Path]) -> Iterator[Path]:
    """Those files, and the ones that are made of them: their own jobs keep what is still right."""
    data = {path.parent for path in forced if path.name == "dataset.json"}
    made = forced | {making.marker for making in experiment.makings() if Path(making.testset.data) in data}
    yield from made
    changed = data | {Path(making.testset.data) for making in experiment.makings() if making.marker in made}
    for run in experiment.runs:
        weights, prepared = experiment.folder / run.path / "model.pt", Path(run.training.data) in data
        if prepared:
            yield weights
        for settings in (run.evaluation, run.validation):
            # One that is missing may never be asked for: only chosen runs are evaluated on the test sets.
            if settings is None or not (path := weights.with_name(f"{settings.output}.json")).exists():
                continue
            if prepared or weights in made or Path(settings.data) in changed:
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
    trained = {change.run for change in found if change.stage == "train" and change.run}
    for change in found:
        if change.stage != "evaluate" or change.run not in trained:
            groups[change.stage, change.details].append(change)
    runs = {run.path: run for run in experiment.runs}
    for (stage, details), group in groups.items():
        count = len({change.run or change.name for change in group})
        about = _about(experiment, [runs[path] for path in {c.run for c in group if c.run}], stage)
        shown = ", ".join(details[:MOST_DETAILS])
        more = f" and {len(details) - MOST_DETAILS} more" if len(details) > MOST_DETAILS else ""
        if stage == "prepare":
            more += _consequence(experiment, {change.target.parent for change in group}, trained)
        folders = listed(sorted({change.name.split()[0] for change in group}))
        yield f"{count} {VERBS[stage][count > 1].format(folders=folders)}{about}: {shown}{more}"


def _consequence(experiment: Experiment, data: set[Path], told: Collection[str]) -> str:
    """The trainings that follow where a data set's images come out otherwise: ` (4 runs train again if …)`.

    Those that train again whatever comes out are told of elsewhere.
    """
    after = [run for run in experiment.runs if Path(run.training.data) in data and run.path not in told]
    after = [run for run in after if (experiment.folder / run.path / "model.pt").exists()]
    if not after:
        return ""
    said = VERBS["train"][len(after) > 1]
    return f" ({len(after)} {said} if its images come out otherwise{_about(experiment, after, 'train')})"


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


def _about(experiment: Experiment, runs: Sequence[Run], stage: str) -> str:
    """`, about 9 min`, the time of a stage of these runs side by side; empty where it is not known."""
    seconds = sum(_seconds(experiment, run, stage) for run in runs)
    threads = max((run.training.training["threads"] for run in runs), default=1)
    side_by_side = max(min(machine.cpus() // threads, len(runs)), 1)
    return f", about {duration(seconds / side_by_side)}" if seconds else ""
