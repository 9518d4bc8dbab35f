"""Forecast the jobs, images, disk space and time of an experiment, and compare them with what it took."""

import heapq
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from augmix.errors import UserError
from augmix.perturbations import frame_count
from augmix.registry import nearest
from augmix.suite.config.experiment import VALIDATION, Experiment, Run
from augmix.suite.data.datasets import loader_module
from augmix.suite.evaluate.results import run_state
from augmix.suite.io.files import read_csv, read_json, write_json
from augmix.suite.plan.calibration import Calibration, Key, MethodCost, NetCost, Request, ShiftKey
from augmix.suite.testsets.generation import SEVERITIES

NUMBERS_BYTES = 16
"""The bytes of one image in a run's predictions."""
FILE_BYTES = {"C": 0.3, "P": 0.03}
"""The bytes of a pixel in a JPEG file of an ImageNet-C, and in a frame of an ImageNet-P's video."""
WEIGHT_BYTES = 5 * 4
"""The bytes of one parameter in a run's folder: the model, and two checkpoints with momentum, in float32."""


class Shift(NamedTuple):
    """One file of a -C or -P."""

    folder: str
    """The data set's folder, below `data`."""
    kind: str
    name: str
    images: int
    """The number of images, of all severities or frames."""
    side: int
    files: bool
    """Whether it is JPEG files or videos."""
    made: bool
    """Whether it has to be generated: it is neither there nor a published one."""

    @property
    def key(self) -> ShiftKey:
        return ShiftKey(self.kind, self.name, self.side, self.files)

    @property
    def bytes(self) -> float:
        """The bytes on disk."""
        return self.images * self.side**2 * (FILE_BYTES[self.kind] if self.files else 3)


class Job(NamedTuple):
    """One run: its training and its evaluations."""

    run: Run
    trained: int
    """The images that pass forward and backward, of all views and epochs."""
    evaluated: int
    """The images predicted: the test set, -C and -P."""
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
        self._frames: dict[str, int] = {}
        for shift in self.shifts:
            self._frames[shift.folder] = self._frames.get(shift.folder, 0) + shift.images
        tested = _tested(experiment)
        self.jobs = [self._job(run, run.method in tested) for run in experiment.runs]

    def net(self, architecture: str, side: int) -> NetCost:
        """The seconds of a net; by a stated throughput, a prediction takes a third of a training image's time."""
        if architecture not in self.throughput:
            return self.calibration.nets[architecture, side]
        image = 1 / self.throughput[architecture]
        return NetCost(0, image, image * 2 / 3, image / 3)

    def method(self, run: Run, side: int) -> MethodCost:
        """The cost of a method for an image; where the net's throughput is stated, making the views is part of that."""
        cost = self.calibration.methods[run.method, side]
        return cost._replace(seconds=0) if run.architecture in self.throughput else cost

    def step_ratio(self, run: Run) -> float:
        """The seconds of a training step over those of a plain one of the same net."""
        batch = run.training["training"]["batch_size"]
        net = self.net(run.architecture, side(self.experiment, run.dataset))
        plain = net.step + batch * net.image
        return self._steps(run, 1, batch) / plain

    def _steps(self, run: Run, steps: int, images: int) -> float:
        pixels = side(self.experiment, run.dataset)
        net, method = self.net(run.architecture, pixels), self.method(run, pixels)
        each = method.views * net.image + method.attacks * net.attack + method.seconds
        return steps * net.step + images * each

    def _job(self, run: Run, tested: bool) -> Job:
        experiment, recipe = self.experiment, run.training["training"]
        prepared = experiment.prepared(run.dataset)
        train, held = sizes(experiment, prepared)
        net = self.net(run.architecture, side(experiment, run.dataset))
        epochs = recipe["epochs"]
        steps = epochs * math.ceil(train / recipe["batch_size"])
        folders = {run.dataset} if tested else set()
        if experiment.validation is not None:
            folders.add(prepared)
        evaluated = sum(sizes(experiment, folder)[1] + self._frames.get(folder, 0) for folder in folders)
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
        """The bytes on disk of each stage, the prepared images and the published files among it."""
        arrays = {f"{s.folder}-{s.kind}": 0.0 for s in self.shifts}
        for shift in self.shifts:
            arrays[f"{shift.folder}-{shift.kind}"] += shift.bytes
        images = 0.0
        for dataset, entry in self.experiment.datasets.items():
            if not streamed(entry):
                for folder in {dataset, self.experiment.prepared(dataset)}:
                    images += sum(sizes(self.experiment, folder)) * 3 * side(self.experiment, dataset) ** 2
        return {
            "prepare": images,
            "corrupt": sum(size for name, size in arrays.items() if name.endswith("-C")),
            "perturb": sum(size for name, size in arrays.items() if name.endswith("-P")),
            "train": sum(WEIGHT_BYTES * parameters[job.run.architecture] for job in self.jobs),
            "evaluate": float(sum(NUMBERS_BYTES * job.evaluated for job in self.jobs)),
        }

    def making(self, kind: str) -> float:
        """The seconds to generate the -C or -P files that are not there."""
        made = (shift for shift in self.shifts if shift.kind == kind and shift.made)
        return sum(self.calibration.startup + s.images * self.calibration.shifts[s.key] for s in made)

    def seconds(self, side_by_side: int) -> float:
        """The seconds from start to end, with so many jobs at once: files first, then runs, the longest first."""
        first = (self.making("C") + self.making("P")) / side_by_side
        return first + makespan([job.seconds for job in self.jobs], side_by_side)

    def save(self, side_by_side: int) -> None:
        """Write `plan.json`, for `compare` after the run."""
        runs = {
            job.run.path: {"train_seconds": job.train_seconds, "evaluate_seconds": job.evaluate_seconds}
            for job in self.jobs
        }
        noted = {"device": self.calibration.device, "side_by_side": side_by_side, "seconds": self.seconds(side_by_side)}
        write_json(self.experiment.folder / "plan.json", {**noted, "runs": runs})


def request(experiment: Experiment, stated: Collection[str]) -> Request:
    """The things there are to measure: nets whose throughput is not stated, methods, and shifts that are to be made."""
    nets: dict[Key, Mapping[str, Any]] = {}
    methods = {}
    for run in experiment.runs:
        key, recipe = (run.architecture, side(experiment, run.dataset)), run.training["training"]
        if run.architecture not in stated:
            nets[key] = max(recipe, nets.get(key, recipe), key=lambda r: r["batch_size"])
        methods[run.method, key[1]] = run.training["method"]
    made = frozenset(shift.key for shift in shifts(experiment) if shift.made)
    recipe = experiment.runs[0].training["training"]
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
    entry = experiment.datasets[dataset]
    pixels: int = loader_module(entry["loader"]).side(**entry["options"])
    return pixels


def streamed(entry: Mapping[str, Any]) -> bool:
    """Whether a data set's images stay in their files."""
    return bool(getattr(loader_module(entry["loader"]), "STREAMED", False))


def sizes(experiment: Experiment, folder: str) -> tuple[int, int]:
    """The numbers of training and test images that a prepared data set, or its validation split, will have."""
    name = folder.removesuffix(VALIDATION)
    entry = experiment.datasets[name]
    train, test = _sizes(entry["loader"], tuple(sorted(entry["options"].items())))
    if folder != name:
        held = math.ceil(train * (experiment.validation or 0))
        train, test = train - held, held
    subset = entry["subset"]
    return min(subset["train"] or train, train), min(subset["test"] or test, test)


@cache
def _sizes(loader: str, options: tuple[tuple[str, object], ...]) -> tuple[int, int]:
    train, test = loader_module(loader).sizes(**dict(options))
    return train, test


def shifts(experiment: Experiment) -> Iterator[Shift]:
    """Every file of every test set that the experiment evaluates on."""
    for dataset in experiment.datasets:
        parts = [(dataset, "C", experiment.corruptions), (dataset, "P", experiment.perturbations(dataset))]
        if (split := experiment.prepared(dataset)) != dataset:
            parts.append((split, "C", experiment.held_out))
        for folder, kind, names in parts:
            count = sizes(experiment, folder)[1]
            used = min(experiment.benchmark_settings(folder, kind)["images"] or count, count)
            for name in names:
                repeats = len(SEVERITIES) if kind == "C" else frame_count(name, experiment.preset(dataset))
                pixels, files = side(experiment, dataset), streamed(experiment.datasets[dataset])
                shift = Shift(folder, kind, name, used * repeats, pixels, files, made=False)
                if experiment.published(folder, kind):
                    yield shift
                if experiment.generated(folder, kind):
                    path = experiment.generated_folder(folder, kind) / f"{name}.npy"
                    yield shift._replace(made=not path.exists())


def _tested(experiment: Experiment) -> set[str]:
    """The methods evaluated on the test set; a sweep's first stands in for the chosen one, not known yet."""
    methods = experiment.config["methods"]
    if experiment.validation is None:
        return {method["name"] for method in methods}
    chosen = {sweep: next(m["name"] for m in methods if sweep in m.get("sweeps", {})) for sweep in experiment.sweeps}
    return {m["name"] for m in methods if not m.get("sweeps")} | set(chosen.values())


def makespan(seconds: Sequence[float], workers: int) -> float:
    """The time that jobs take on so many workers, each taking the longest that is left."""
    loads = [0.0] * workers
    for job in sorted(seconds, reverse=True):
        heapq.heapreplace(loads, loads[0] + job)
    return max(loads)


class Compared(NamedTuple):
    """The time that the runs of one method took, over their seeds."""

    runs: str
    """The runs' path without the seed."""
    done: int
    seconds: tuple[float, float, float, float]
    """The time to train, predicted and actual; and to evaluate, predicted and actual."""


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


def done(experiment: Experiment) -> int:
    """The number of runs that have their result already."""
    return sum(run_state(experiment, run).status == "done" for run in experiment.runs)
