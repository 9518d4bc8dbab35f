"""The plan: counts and sizes by hand, times from given costs, the command, and predicted against actual."""

import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from augmix.errors import UserError
from augmix.graphs import Graphs
from augmix.registry import module_names
from augmix.suite.cli import main
from augmix.suite.config.experiment import Experiment, load
from augmix.suite.data.datasets import loader_module
from augmix.suite.evaluate.stages import State
from augmix.suite.io.digests import code_of
from augmix.suite.io.progress import duration
from augmix.suite.plan import calibration
from augmix.suite.plan import forecast as plan
from augmix.suite.plan import tables as plan_tables
from augmix.suite.plan.calibration import Calibration, MethodCost, NetCost, Request, ShiftKey
from augmix.suite.train import devices
from tests.augmix.tape import on_tape

WriteConfig = Callable[..., Path]
NET = NetCost(step=0.01, image=0.001, attack=0.0005, inference=0.0002)
METHODS = {
    "standard": MethodCost(1, 0, 0),
    "augmix": MethodCost(3, 0, 0.0001),
    "adversarial": MethodCost(1, 10, 0.0002),
}


def costs(experiment: Experiment) -> Calibration:
    names = [method["name"] for method in experiment.config["methods"]]
    shifts = {shift.key: 0.0001 for shift in plan.shifts(experiment)}
    nets = {(architecture["name"], 32): NET for architecture in experiment.config["architectures"]}
    return Calibration(nets, {(name, 32): METHODS[name.split("_")[0]] for name in names}, shifts, 2.0, "cpu")


def planned(write_config: WriteConfig, throughput: dict[str, float] | None = None, **changes: Any) -> plan.Plan:
    experiment = load(
        write_config(**{"methods": list(METHODS), "training": {"epochs": 2, "batch_size": 32}, **changes})
    )
    return plan.Plan(experiment, costs(experiment), throughput or {})


def test_images_and_seconds_of_a_run(write_config: WriteConfig) -> None:
    standard, augmix, adversarial = planned(write_config).jobs
    # 96 training images in 3 steps, 40 test images; 5 severities of 2 corruptions; 31 frames of 2 perturbations × 10.
    assert standard.trained == 2 * 96
    assert augmix.trained == 3 * 2 * 96
    assert standard.evaluated == 40 + 2 * 5 * 40 + 2 * 31 * 10
    assert standard.train_seconds == pytest.approx(6 * 0.01 + 192 * 0.001)
    assert augmix.train_seconds == pytest.approx(6 * 0.01 + 192 * (3 * 0.001 + 0.0001))
    assert adversarial.train_seconds == pytest.approx(6 * 0.01 + 192 * (0.001 + 10 * 0.0005 + 0.0002))
    assert standard.evaluate_seconds == pytest.approx(standard.evaluated * 0.0002)
    assert standard.other_seconds == pytest.approx(2 * 2.0 + 2 * 40 * 0.0002)


def test_a_stated_throughput_stands_for_the_net(write_config: WriteConfig) -> None:
    standard, augmix, adversarial = planned(write_config, {"smallnet": 100.0}).jobs
    assert standard.train_seconds == pytest.approx(192 / 100)
    assert augmix.train_seconds == pytest.approx(3 * 192 / 100)
    assert adversarial.train_seconds == pytest.approx((1 + 10 * 2 / 3) * 192 / 100)
    assert standard.evaluate_seconds == pytest.approx(standard.evaluated / 300)


def test_disk(write_config: WriteConfig) -> None:
    size = planned(write_config).bytes({"smallnet": 1000})
    image = 3 * 32 * 32
    assert size["prepare"] == (96 + 40) * image
    assert size["generate"] == (2 * 5 * 40 + 2 * 31 * 10) * image
    assert size["train"] == 3 * 1000 * 20
    assert size["evaluate"] == 3 * 20 * (40 + 400 + 620)


def test_files_that_are_there_are_not_made_again(write_config: WriteConfig, tmp_path: Path) -> None:
    def jobs() -> list[tuple[str, float]]:
        return [(made.making.title, round(made.seconds, 6)) for made in planned(write_config).generations]

    folder = tmp_path / "data" / "digits-C"
    folder.mkdir(parents=True)
    frames = [("digits-P 1", 2.031), ("digits-P 2", 2.031)]
    assert jobs() == [("digits-C 1", 2.02), ("digits-C 2", 2.02), *frames]
    for name in ("fog.npy", "labels.npy", "source.json"):
        (folder / name).write_bytes(b"")
    assert jobs() == [("digits-C 1", 2.02), ("digits-C 2", 2.02), *frames], "nobody knows what they were made with"
    testset = load(tmp_path / "small.yaml").testsets("digits")[1]
    stamp = {"settings": testset.made_of("fog"), "data": "gone", "code": code_of(testset.roots()).as_json()}
    testset.stamp("fog").write_text(json.dumps(stamp))
    assert jobs() == [("digits-C 1", 2.0), ("digits-C 2", 2.02), *frames]
    (folder / "made-1.json").write_text("{}")
    assert jobs() == [("digits-C 2", 2.02), *frames]
    (folder / "fog.npy").unlink()
    assert jobs() == [("digits-C 1", 2.02), ("digits-C 2", 2.02), *frames]


def test_a_validation_split_is_counted(write_config: WriteConfig) -> None:
    made = planned(write_config, methods=["standard"], sweeps=["width"], validation=0.25)
    experiment = made.experiment
    assert plan.sizes(experiment, "digits-validation") == (96, 40)
    assert [job.evaluated for job in made.jobs[:3]] == [
        40 + 7 * 5 * 40 + 1060, 40 + 7 * 5 * 40 + 1060, 40 + 7 * 5 * 40,
    ]  # fmt: skip


def test_a_test_set_of_any_kind_is_counted(write_config: WriteConfig, tmp_path: Path) -> None:
    natural = {"kind": "natural", "loader": "digits", "options": {"split": "unseen_writers"}, "images": 30}
    made = planned(write_config, testsets={"C": None, "P": None, "again": natural})
    assert [(shift.key, shift.part.images) for shift in made.shifts] == [
        (ShiftKey("clean", "clean", 32, False), 40), (ShiftKey("natural", "again", 32, False), 30),
    ]  # fmt: skip
    assert made.jobs[0].evaluated == 70
    assert made.bytes({"smallnet": 1})["generate"] == 30 * 3 * 32 * 32
    request = plan.request(made.experiment, ["smallnet"])
    assert calibration.measure(replace(request, device="cpu"), 0.0).shifts == {
        ShiftKey("natural", "again", 32, False): 0
    }


def test_published_files_are_disk_and_no_time_to_make(write_config: WriteConfig, tmp_path: Path) -> None:
    published = {"shifts": ["fog"], "published": str(tmp_path / "theirs")}
    made = planned(write_config, testsets={"C": published, "P": None})
    assert [(job.making.title, job.seconds) for job in made.generations] == [("digits-C 1", 2.0)]
    assert made.bytes({"smallnet": 1})["generate"] == 5 * 40 * 3 * 32 * 32
    assert "Downloads are counted as disk, not as hours." in plan_tables.forecast(made, 1)


@pytest.mark.parametrize(("workers", "expected"), [(1, 15), (2, 8), (3, 5), (9, 5)])
def test_makespan_lets_the_longest_go_first(workers: int, expected: float) -> None:
    assert plan.makespan([1, 2, 3, 4, 5], workers) == expected


def test_every_loader_knows_its_sizes(small_digits: Path) -> None:
    assert all(hasattr(loader_module(name), "sizes") for name in module_names("augmix.suite.data.loaders"))
    loader = loader_module("digits")
    arrays = loader.load()
    assert loader.sizes() == (len(arrays.train_labels), len(arrays.test_labels))


def test_images_in_folders_are_counted(tmp_path: Path) -> None:
    from PIL import Image

    for split, count in (("train", 3), ("test", 2)):
        for name in ("cat", "dog"):
            (tmp_path / split / name).mkdir(parents=True)
            for i in range(count):
                Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / split / name / f"{i}.png")
    assert loader_module("image_folder").sizes(str(tmp_path)) == (6, 4)


def test_nets_are_measured_as_they_are_replayed(write_config: WriteConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded: list[str] = []

    def capture(function: Callable[..., Any], inputs: Sequence[torch.Tensor]) -> Callable[[], Any]:
        recorded.append(function.__qualname__.split(".")[2])
        return on_tape(function, inputs)

    monkeypatch.setattr(devices, "graphs", lambda device: Graphs(capture, pytest.fail))
    recipe = load(write_config(training={"batch_size": 16})).runs[0].training.training
    adversarial = {"name": "adversarial", "preset": "adversarial", "parameters": {"steps": 1}}
    request = Request({("smallnet", 32): recipe}, {("adversarial", 32): adversarial}, {}, ("baselines",), 1, "cpu", 0.5)
    found = calibration.measure(request, 0.0)
    [cost] = found.nets.values()
    assert min(cost.image, cost.attack, cost.inference) > 0
    assert found.methods["adversarial", 32][:2] == (1, 1)
    # The method's attack; steps of one to three sizes, by what the machine has time for; a gradient, a prediction.
    assert sorted(set(recorded)) == ["ascend", "gradient", "infer", "update"]
    assert len(recorded) == 3 + recorded.count("update") <= 6


def test_everything_asked_for_is_measured(write_config: WriteConfig) -> None:
    recipe = load(write_config()).runs[0].training.training
    methods = {(name, 32): {"name": name, "preset": name, "parameters": {}} for name in METHODS}
    corrupted, perturbed = load(write_config()).testsets("digits")[1:]
    shifts = {
        ShiftKey("corruptions", "contrast", 32, False): corrupted,
        ShiftKey("perturbations", "translate", 64, True): replace(perturbed, streamed=True),  # type: ignore[call-arg]
    }
    found = calibration.measure(
        calibration.Request({("smallnet", 32): recipe}, methods, shifts, ("baselines",), device="cpu", seconds=2), 0.0
    )
    net = found.nets["smallnet", 32]
    assert min(net.inference, net.image, net.attack) > 0
    made = {name: found.methods[name, 32] for name in METHODS}
    assert {name: (cost.views, cost.attacks) for name, cost in made.items()} == {
        "standard": (1, 0), "augmix": (3, 0), "adversarial": (1, 10),
    }  # fmt: skip
    assert min(cost.seconds for cost in made.values()) >= 0
    assert found.shifts.keys() == shifts.keys()
    assert min(found.shifts.values()) > 0
    counted = calibration.measure(calibration.Request({}, methods, packages=("baselines",), device="cpu"), 0.0)
    assert counted.methods == {key: cost._replace(seconds=0) for key, cost in found.methods.items()}


def test_methods_are_counted_without_the_data_that_is_not_here() -> None:
    absent = {"stylized_imagenet": {"folder": "/nowhere"}}
    row = [absent, {"augmix": {"width": 1}}]
    composed = {"name": "m", "views": row, "mix": {"mixup": {"alpha": 0.5}}, "loss": {"augmix": {}}}
    assert calibration._here(composed, ["baselines"]) == {**composed, "views": [{"augmix": {"width": 1}}]}
    preset = {"name": "s", "preset": "stylized_imagenet", "parameters": absent["stylized_imagenet"]}
    assert calibration._here(preset, ["baselines"])["preset"] == "standard"
    present = {"name": "augmix", "preset": "augmix", "parameters": {}}
    assert calibration._here(present, []) is present


def test_the_command_prints_tables_and_leaves_the_plan(
    write_config: WriteConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_config(methods=list(METHODS))
    monkeypatch.setattr(calibration, "calibrate", lambda request, jobs: costs(load(path)))
    assert main(["plan", "--config", str(path), "--devices", "2", "--throughput", "smallnet=50"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines if line.startswith(("train", "adversarial", "smallnet"))] == [
        ["train", "3", "480", "5.7", "MB", "0.01"],
        ["adversarial", "1", "7.67", "96", "0.01"],
        ["smallnet", "95,394", "50", "3", "0.02"],
    ]
    assert any(line.startswith("2 at a time: ") for line in lines)
    noted = json.loads((tmp_path / "results" / "small" / "plan.json").read_text())
    assert noted["side_by_side"] == 2
    assert noted["runs"]["digits/smallnet/standard/seed0"]["train_seconds"] == pytest.approx(96 / 50)


def test_a_device_that_is_not_here_is_planned_for(
    write_config: WriteConfig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_config(methods=list(METHODS), training={"device": "cuda"})
    asked: list[tuple[Request, int]] = []

    def calibrate(request: Request, jobs: int) -> Calibration:
        asked.append((request, jobs))
        return replace(costs(load(path)), nets=dict.fromkeys(request.nets, NET))

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(calibration, "calibrate", calibrate)
    assert main(["plan", "--config", str(path), "--devices", "3"]) == 0
    said = capsys.readouterr()
    assert "There is no cuda here, which the experiment asks for: state what one trains" in said.out
    assert said.err.startswith("measuring")
    assert main(["plan", "--config", str(path), "--devices", "3", "--throughput", "smallnet=50"]) == 0
    said = capsys.readouterr()
    assert "at the stated throughput" in said.out
    assert "cuda" not in said.out
    assert said.err == ""
    assert [request.device for request, _ in asked] == ["auto", "auto"]
    assert asked[1][1] == 1


def test_photographs_are_counted_as_the_files_they_become(write_config: WriteConfig, tmp_path: Path) -> None:
    options = {"folder": str(tmp_path)}  # nothing is unpacked there yet: ImageNet's own numbers
    path = write_config(datasets={"photos": {"loader": "imagenet", "options": options}})
    experiment = load(path)
    found = {shift.testset.name: shift for shift in plan.shifts(experiment)}
    assert found["clean"].part.images == 50_000
    assert found["clean"].bytes == 0
    assert found["C"].part.images == 5 * 50_000
    assert found["C"].key == ShiftKey("corruptions", "pixelate", 224, True)
    # ImageNet-C's 15 corruptions and four extras, 4.75 million files, are 66 GB.
    assert 19 * found["C"].bytes == pytest.approx(66e9, rel=0.1)
    assert found["P"].bytes < 0.02 * found["P"].part.images * 3 * 224**2


def test_runs_are_judged_as_the_run_of_the_experiment_judges_them(
    write_config: WriteConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, states = planned(write_config), iter(("done", "outdated", "pending", *["pending"] * 3))
    monkeypatch.setattr(plan_tables, "run_state", lambda experiment, run: State(next(states)))
    title, *_, last = plan_tables.forecast(made, 1).splitlines()
    assert title == "small: 3 runs, 1 of them done, 1 of them outdated; measured on cpu"
    left = made.seconds(1) - made.jobs[0].seconds
    assert last == f"1 at a time: {duration(made.seconds(1))}; for what is not done: {duration(left)}"
    title, *_, last = plan_tables.forecast(made, 1).splitlines()
    assert (title, last) == ("small: 3 runs; measured on cpu", f"1 at a time: {duration(made.seconds(1))}")


def test_predicted_against_actual(write_config: WriteConfig, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_config(methods=list(METHODS))
    made = planned(write_config)
    folder = made.experiment.folder
    with pytest.raises(UserError, match=r"plan\.json is missing: run `augmix plan` without --actual first"):
        plan_tables.actual(made.experiment)
    made.save(1)
    with pytest.raises(UserError, match=r"runs\.csv cannot be read"):
        plan_tables.actual(made.experiment)
    columns = ("dataset", "arch", "method", "seed", "status", "train_seconds", "evaluate_seconds")
    with (folder / "runs.csv").open("w", newline="") as file:
        csv.writer(file).writerows([
            columns,
            ("digits", "smallnet", "standard", 0, "done", 2 * made.jobs[0].train_seconds, 60),
            ("digits", "smallnet", "augmix", 0, "failed", "", ""),
        ])  # fmt: skip
    assert main(["plan", "--config", str(path), "--actual"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert rows[1][:2] == ["digits/smallnet/standard", "1"]
    assert "2.00" in rows[1]
    assert rows[-1][:2] == ["all", "1"]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--throughput", "smallnet"], "--throughput is 'smallnet'; NAME=IMAGES a second is needed"),
        (["--throughput", "smallnet=-1"], "--throughput is 'smallnet=-1'"),
        (["--throughput", "smalnet=5"], "no architecture 'smalnet'; did you mean 'smallnet'?"),
        (["--devices", "0"], "--devices is 0; at least 1 is needed"),
    ],
)
def test_bad_options_are_one_line(
    write_config: WriteConfig, options: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", "--config", str(write_config()), *options]) == 2
    shown = capsys.readouterr().err.strip()
    assert complaint in shown
    assert "\n" not in shown
