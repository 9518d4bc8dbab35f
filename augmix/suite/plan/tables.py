"""The tables that `augmix plan` prints."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from augmix.suite.config.experiment import Experiment
from augmix.suite.evaluate import durations
from augmix.suite.evaluate.stages import run_state
from augmix.suite.io.progress import duration
from augmix.suite.io.text import table
from augmix.suite.io.times import Times
from augmix.suite.plan import forecast as plan
from augmix.suite.plan.calibration import CLASSES


def forecast(made: plan.Plan, side_by_side: int) -> str:
    """The tables of a plan."""
    experiment = made.experiment
    built = {run.architecture: run.training.architecture for run in experiment.runs}
    parameters = {name: _parameters(architecture) for name, architecture in built.items()}
    states = {run.path: run_state(experiment, run).status for run in experiment.runs}
    counts = Counter(states.values())
    told = [f"{counts[state]} of them {state}" for state in ("done", "outdated") if counts[state]]
    lines = [
        f"{', '.join([f'{experiment.name}: {len(made.jobs)} runs', *told])}; "
        f"{f'measured on {made.calibration.device}' if made.calibration.nets else 'at the stated throughput'}",
        "",
        table(("stage", "jobs", "images", "disk", "hours"), _stages(made, parameters), numbers=True),
        "",
        table(("method", "runs", "step", "images", "hours"), _methods(made), numbers=True),
        "",
        table(
            ("architecture", "parameters", "images/s", "runs", "hours"), _architectures(made, parameters), numbers=True
        ),
        "",
        f"step: seconds of a training step over those of a plain one; parameters: of nets with {CLASSES} classes, "
        "whatever the data have; images/s: training, plain steps",
    ]
    left = {path for path, state in states.items() if state != "done"}
    for jobs in dict.fromkeys((1, side_by_side)):
        rest = f"; for what is not done: {_span(made.seconds(jobs, left))}" if counts["done"] else ""
        lines.append(f"{jobs} at a time: {_span(made.seconds(jobs))}{rest}")
    if any(making.local and not making.folder.exists() for making, _ in made.generations):
        lines.append("Downloads are counted as disk, not as hours.")
    return "\n".join(lines)


def _stages(made: plan.Plan, parameters: Mapping[str, int]) -> Iterable[Sequence[str]]:
    jobs, folders, disk = made.jobs, made.experiment.folders, made.bytes(parameters)
    generated = sum(shift.part.images for shift in made.shifts if shift.part.made)
    generating = sum(generation.seconds for generation in made.generations)
    training = sum(job.train_seconds + job.other_seconds for job in jobs)
    rows: list[tuple[str, int, int, float]] = [
        ("prepare", len(folders), sum(sum(plan.sizes(made.experiment, folder)) for folder in folders), 0),
        ("generate", len(made.generations), generated, generating),
        ("train", len(jobs), sum(job.trained for job in jobs), training),
        ("evaluate", len(jobs), sum(job.evaluated for job in jobs), sum(job.evaluate_seconds for job in jobs)),
    ]
    for name, count, images, seconds in rows:
        yield name, str(count), _count(images), _size(disk[name]), _hours(seconds) if seconds else ""
    yield "all", str(sum(row[1] for row in rows)), "", _size(sum(disk.values())), _hours(sum(row[3] for row in rows))


def _methods(made: plan.Plan) -> Iterable[Sequence[str]]:
    groups: defaultdict[str, list[plan.Job]] = defaultdict(list)
    for job in made.jobs:
        groups[job.run.method].append(job)
    for name, jobs in groups.items():
        ratio = sum(made.step_ratio(job.run) for job in jobs) / len(jobs)
        images, seconds = sum(job.trained for job in jobs), sum(job.seconds for job in jobs)
        yield name, str(len(jobs)), f"{ratio:.2f}", _count(images), _hours(seconds)


def _architectures(made: plan.Plan, parameters: Mapping[str, int]) -> Iterable[Sequence[str]]:
    groups: defaultdict[tuple[str, int], list[plan.Job]] = defaultdict(list)
    for job in made.jobs:
        groups[job.run.architecture, plan.side(made.experiment, job.run.dataset)].append(job)
    sides = Counter(name for name, _ in groups)
    for (name, side), jobs in groups.items():
        net, batch = made.net(name, side), jobs[0].run.training.training["batch_size"]
        title = name if sides[name] == 1 else f"{name} at {side}"
        speed = f"{batch / (net.step + batch * net.image):,.0f}"
        yield title, f"{parameters[name]:,}", speed, str(len(jobs)), _hours(sum(job.seconds for job in jobs))


def _parameters(architecture: str) -> int:
    import torch

    from augmix import models

    with torch.device("meta"):
        return sum(p.numel() for p in models.build(architecture, CLASSES).parameters())


def actual(experiment: Experiment) -> str:
    """The time spent, and predicted against actual seconds of the runs that are done, where there is a plan."""
    found = durations.jobs(experiment)
    parts = [_spent(found)] if found else []
    if not parts or (experiment.folder / "plan.json").exists():
        parts.append(_compared(experiment))
    return "\n\n".join(parts)


def _spent(jobs: Sequence[Times]) -> str:
    spent, elapsed = durations.spent(jobs), durations.elapsed(jobs)
    total = sum(spent.values())
    rows = [(name, duration(seconds), f"{100 * seconds / total:.1f} %") for name, seconds in spent.items()]
    rows.append(("all", duration(total), ""))
    return "\n".join(
        [
            table(("of the time of all jobs", "took", "share"), rows, numbers=True),
            "",
            f"{len(jobs)} jobs in {duration(elapsed)}, {total / elapsed:.1f} at a time; of a job that was started more "
            "than once, the last start. Start-up is the start of its process and what it imports.",
        ]
    )


def _compared(experiment: Experiment) -> str:
    compared = plan.compare(experiment)
    rows = []
    for name, count, seconds in [*compared, plan.total(compared)]:
        trained, evaluated = (
            (duration(predicted), duration(took), f"{took / predicted:.2f}")
            for predicted, took in (seconds[:2], seconds[2:])
        )
        rows.append((name, str(count), *trained, *evaluated))
    header = ("runs", "done", "train: plan", "actual", "ratio", "evaluate: plan", "actual", "ratio")
    return table(header, rows, numbers=True)


def _count(images: float) -> str:
    for unit, name in ((1e9, "G"), (1e6, "M")):
        if images >= unit:
            return f"{images / unit:.1f} {name}"
    return f"{images:,.0f}"


def _size(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"


def _hours(seconds: float) -> str:
    hours = seconds / 3600
    return f"{hours:,.0f}" if hours >= 10 else f"{hours:.2f}"


def _span(seconds: float) -> str:
    return f"{seconds / 86400:,.1f} days" if seconds > 48 * 3600 else duration(seconds)
