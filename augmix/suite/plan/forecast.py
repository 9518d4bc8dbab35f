"""Foretell what an experiment will take: jobs, images, disk, time; and compare that with what it took."""

import heapq
import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from augmix.errors import UserError
from augmix.registry import nearest
from augmix.suite.config.experiment import Experiment
from augmix.suite.config.parse import VALIDATION, origin_of
from augmix.suite.config.runs import Run
from augmix.suite.data.datasets import files_of, loader_module
from augmix.suite.evaluate import stages
from augmix.suite.evaluate.predictions import NUMBERS
from augmix.suite.io.files import read_csv, read_json, write_json
from augmix.suite.plan.calibration import Calibration, Key, MethodCost, NetCost, Request, ShiftKey
from augmix.suite.testsets.base import Making, Part, TestSet

WEIGHT_BYTES = 5 * 4
"""The bytes of one parameter in a run's folder: the model, and two checkpoints with momentum, in float32."""


class Shift(NamedTuple):
    """One shift of a test set."""

    folder: str
    """The prepared data set's, below `data`."""
    testset: TestSet
    part: Part
    side: int
    """The images' side in pixels."""
    streamed: bool
    """Whether the data set's images stay in their files."""

    @property
    def key(self) -> ShiftKey:
        return ShiftKey(self.testset.kind, self.part.shift, self.side, self.streamed)

    @property
    def bytes(self) -> float:
        """The bytes that it takes on disk."""
        return self.part.images * self.side**2 * self.part.bytes_a_pixel


class Generation(NamedTuple):
    """One job that makes files of a test set."""

    making: Making
    seconds: float


class Job(NamedTuple):
    """One run: its training and its evaluations."""

    run: Run
    trained: int
    """The images that pass forward and backward, of all views and epochs."""
    evaluated: int
    """Images predicted, of all test sets."""
    train_seconds: float
    """The time of the steps alone, as in `runs.csv`."""
    other_seconds: float
    """The time of the starts, and of the test error after every epoch."""
    evaluate_seconds: float

    @property
    def seconds(self) -> float:
        return self.train_seconds + self.other_seconds + self.evaluate_seconds


class Plan:
    """An experiment's jobs with what they cost by a calibration, or by stated training images a second."""

    def __init__(self, experiment: Experiment, calibration: Calibration, throughput: Mapping[str, float]) -> None:
        self.experiment, self.calibration, self.throughput = experiment, calibration, throughput
        self.shifts = list(shifts(experiment))
        self._images = _images(self.shifts)
        self.generations = list(self._generations())
        tested = _tested(experiment)
        self.jobs = [self._job(run, run.method in tested) for run in experiment.runs]

    def net(self, architecture: str, side: int) -> NetCost:
        """The seconds of a net; by a stated throughput, a prediction takes a third of a training image's time."""
        if architecture not in self.throughput:
            return self.calibration.nets[architecture, side]
        image = 1 / self.throughput[architecture]
        return NetCost(0, image, image * 2 / 3, image / 3)

    def method(self, run: Run, side: int) -> MethodCost:
        """The work that a method makes of an image; a stated throughput includes the making of the views."""
        cost = self.calibration.methods[run.method, side]
        return cost._replace(seconds=0) if run.architecture in self.throughput else cost

    def step_ratio(self, run: Run) -> float:
        """Seconds of a training step over those of a plain one of the same net."""
        batch = run.training.training["batch_size"]
        net = self.net(run.architecture, side(self.experiment, run.dataset))
        plain = net.step + batch * net.image
        return self._steps(run, 1, batch) / plain

    def _steps(self, run: Run, steps: int, images: int) -> float:
        pixels = side(self.experiment, run.dataset)
        net, method = self.net(run.architecture, pixels), self.method(run, pixels)
        each = method.views * net.image + method.attacks * net.attack + method.seconds
        return steps * net.step + images * each

    def _job(self, run: Run, tested: bool) -> Job:
        experiment, recipe = self.experiment, run.training.training
        prepared = experiment.prepared(run.dataset)
        train, held = sizes(experiment, prepared)
        net = self.net(run.architecture, side(experiment, run.dataset))
        epochs = recipe["epochs"]
        steps = epochs * math.ceil(train / recipe["batch_size"])
        folders = {run.dataset} if tested else set()
        if experiment.validation is not None:
            folders.add(prepared)
        evaluated = sum(self._images[folder] for folder in folders)
        views = self.method(run, side(experiment, run.dataset)).views
        starts = (1 + len(folders)) * self.calibration.startup
        return Job(
            run,
            round(epochs * train * views),
            evaluated,
            self._steps(run, steps, epochs * train),
            starts + epochs * held * net.inference,
            evaluated * net.inference,
        )

    def bytes(self, parameters: Mapping[str, int]) -> dict[str, float]:
        """Disk that each stage takes, the prepared images and the published files among it."""
        return {
            "prepare": sum(prepared_bytes(self.experiment, folder) for folder in self.experiment.folders),
            "generate": sum(shift.bytes for shift in self.shifts),
            "train": sum(WEIGHT_BYTES * parameters[job.run.architecture] for job in self.jobs),
            "evaluate": float(sum(NUMBERS.itemsize * job.evaluated for job in self.jobs)),
        }

    def _generations(self) -> Iterator[Generation]:
        """The jobs that make test sets and are not done, or have lost a file."""
        made = {(s.testset.data, s.testset.name, s.part.shift): s for s in self.shifts if s.part.made}
        for making in self.experiment.makings():
            keys = [(making.testset.data, making.testset.name, shift) for shift in making.shifts]
            found = [made[key] for key in keys if key in made]
            if found or not making.marker.exists():
                seconds = sum(shift.part.images * self.calibration.shifts[shift.key] for shift in found)
                yield Generation(making, self.calibration.startup + seconds)

    def seconds(self, side_by_side: int, runs: Collection[str] | None = None) -> float:
        """From start to end, with so many jobs at once: files first, then runs (all, or those), the longest first."""
        first = makespan([generation.seconds for generation in self.generations], side_by_side)
        jobs = [job.seconds for job in self.jobs if runs is None or job.run.path in runs]
        return first + makespan(jobs, side_by_side)

    def save(self, side_by_side: int) -> None:
        """Write `plan.json`, for `compare` after the run."""
        runs = {
            job.run.path: {"train_seconds": job.train_seconds, "evaluate_seconds": job.evaluate_seconds}
            for job in self.jobs
        }
        noted = {"device": self.calibration.device, "side_by_side": side_by_side, "seconds": self.seconds(side_by_side)}
        write_json(self.experiment.folder / "plan.json", {**noted, "runs": runs})


def request(experiment: Experiment, stated: Collection[str]) -> Request:
    """Name what there is to measure: nets whose throughput is not stated, methods, and shifts that are to be made."""
    nets: dict[Key, Mapping[str, Any]] = {}
    methods = {}
    for run in experiment.runs:
        key = (run.architecture, side(experiment, run.dataset))
        recipe: Mapping[str, Any] = {**run.training.training, "architecture": run.training.architecture}
        if run.architecture not in stated:
            nets[key] = max(recipe, nets.get(key, recipe), key=lambda r: r["batch_size"])
        methods[run.method, key[1]] = run.training.method
    made = {shift.key: shift.testset for shift in shifts(experiment) if shift.part.made}
    recipe = experiment.runs[0].training.training
    packages = tuple(experiment.config["method_packages"])
    return Request(nets, methods, made, packages, recipe["threads"], recipe["device"])


def stated(options: Sequence[str], experiment: Experiment) -> dict[str, float]:
    """The training images a second, by architecture, from `wideresnet=1500`; raises `UserError` for anything else."""
    names = [architecture["name"] for architecture in experiment.config["architectures"]]
    found = {}
    for option in options:
        name, _, value = option.partition("=")
        try:
            found[name] = float(value)
        except ValueError:
            found[name] = math.nan
        if not 0 < found[name] < math.inf:
            raise UserError(f"--throughput is '{option}'; NAME=IMAGES a second is needed, such as wideresnet=1500")
        if name not in names:
            raise UserError(f"--throughput: the experiment has no architecture '{name}'; {nearest(name, names)}")
    return found


def side(experiment: Experiment, dataset: str) -> int:
    """The side of a data set's images in pixels."""
    return origin_of(experiment.config, dataset).side


def sizes(experiment: Experiment, folder: str) -> tuple[int, int]:
    """Count the training and test images that a prepared data set, or its validation split, will have."""
    name = folder.removesuffix(VALIDATION)
    entry = experiment.datasets[name]
    train, test = _sizes(entry["loader"], tuple(sorted(entry["options"].items())))
    if folder != name:
        held = math.ceil(train * (experiment.validation or 0))
        train, test = train - held, held
    subset = entry["subset"]
    return min(subset["train"] or train, train), min(subset["test"] or test, test)


def prepared_bytes(experiment: Experiment, folder: str) -> float:
    """The bytes of a prepared data set's images; none where they stay in their files."""
    origin = origin_of(experiment.config, folder.removesuffix(VALIDATION))
    return 0.0 if origin.streamed else 3.0 * origin.side**2 * sum(sizes(experiment, folder))


def bytes_missing(experiment: Experiment) -> float:
    """The bytes of data sets and test sets that are still to be made, less those of the files they replace."""
    missing = 0.0
    for folder in experiment.folders:
        if not all(path.exists() for path in files_of(experiment.data / folder)):
            missing += prepared_bytes(experiment, folder)
    for shift in shifts(experiment):
        if shift.part.made:
            there = sum(path.stat().st_size for path in shift.testset.files(shift.part.shift) if path.is_file())
            missing += max(0.0, shift.bytes - there)
    return missing


def _images(found: Iterable[Shift]) -> Counter[str]:
    """How many images a net predicts, by the data sets' folders."""
    images: Counter[str] = Counter()
    for shift in found:
        images[shift.folder] += shift.part.images
    return images


def prediction_bytes_missing(experiment: Experiment) -> float:
    """The bytes of predictions that are still to be made, less those of the files they replace."""
    images, tested, missing = _images(shifts(experiment)), _tested(experiment), 0.0
    for run in experiment.runs:
        for settings in (run.evaluation if run.method in tested else None, run.validation):
            folder = experiment.folder / run.path
            if settings and not (folder / f"{settings.output}.json").exists():
                there = sum(path.stat().st_size for path in (folder / settings.output).glob("*.npz"))
                missing += max(0, NUMBERS.itemsize * images[Path(settings.data).name] - there)
    return missing


@cache
def _sizes(loader: str, options: tuple[tuple[str, object], ...]) -> tuple[int, int]:
    train, test = loader_module(loader).sizes(**dict(options))
    return train, test


def shifts(experiment: Experiment) -> Iterator[Shift]:
    """Every shift of every test set that the experiment evaluates on."""
    outdated = {change.name for change in stages.unkept(experiment, stages.changes_of_testsets(experiment))}
    for dataset in experiment.datasets:
        origin = origin_of(experiment.config, dataset)
        testsets = [(dataset, testset) for testset in experiment.testsets(dataset)]
        if experiment.validation is not None:
            split = experiment.prepared(dataset)
            testsets += [(split, testset) for testset in experiment.validation_testsets(dataset)]
        for folder, testset in testsets:
            again = [shift for shift in testset.shifts if f"{testset.folder.name} {shift}" in outdated]
            for part in testset.parts(sizes(experiment, folder)[1], again):
                yield Shift(folder, testset, part, origin.side, origin.streamed)


def _tested(experiment: Experiment) -> set[str]:
    """The methods evaluated on the test set; a sweep's first stands in for the chosen one, not known yet."""
    methods = experiment.config["methods"]
    if experiment.validation is None:
        return {method["name"] for method in methods}
    chosen = {sweep: next(m["name"] for m in methods if sweep in m.get("sweeps", {})) for sweep in experiment.sweeps}
    return {m["name"] for m in methods if not m.get("sweeps")} | set(chosen.values())


def makespan(seconds: Sequence[float], workers: int) -> float:
    """The seconds that jobs take on so many workers, each taking the longest that is left."""
    loads = [0.0] * workers
    for job in sorted(seconds, reverse=True):
        heapq.heapreplace(loads, loads[0] + job)
    return max(loads)


class Compared(NamedTuple):
    """The times of one method's runs, over their seeds."""

    runs: str
    """The runs' path without the seed."""
    done: int
    seconds: tuple[float, float, float, float]
    """The training's, predicted and actual, and the evaluation's, predicted and actual."""


def compare(experiment: Experiment) -> list[Compared]:
    """The finished runs' times in `runs.csv` with those of `plan.json`; raises `UserError` where one is missing."""
    noted, path = experiment.folder / "plan.json", experiment.folder / "runs.csv"
    if not noted.exists():
        raise UserError(f"{noted} is missing: run `augmix plan` without --actual first")
    predicted = read_json(noted)["runs"]
    timed = ("train_seconds", "evaluate_seconds")
    found: list[Compared] = []
    try:
        for row in read_csv(path, ("dataset", "arch", "method", "seed", "status", *timed)):
            group = f"{row['dataset']}/{row['arch']}/{row['method']}"
            forecast = predicted.get(f"{group}/seed{row['seed']}")
            if row["status"] == "done" and forecast:
                train, evaluate = ((forecast[key], float(row[key])) for key in timed)
                found.append(Compared(group, 1, (*train, *evaluate)))
    except (UserError, KeyError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({error}); it is written when the runs are collected") from error
    if not found:
        raise UserError(f"{path} has no finished run that {noted} is about")
    groups = dict.fromkeys(row.runs for row in found)
    return [total([row for row in found if row.runs == group])._replace(runs=group) for group in groups]


def total(rows: Sequence[Compared]) -> Compared:
    """The sum of some rows."""
    first, second, third, fourth = (sum(column) for column in zip(*(row.seconds for row in rows), strict=True))
    return Compared("all", sum(row.done for row in rows), (first, second, third, fourth))
