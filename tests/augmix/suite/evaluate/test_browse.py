"""A results folder's numbers in pandas and in the terminal."""

import csv
import subprocess
import sys
from pathlib import Path
from statistics import mean, stdev

import numpy as np
import pytest

import augmix
from augmix.corruptions.textures import TEXTURES
from augmix.errors import UserError
from augmix.suite.cli import main
from augmix.suite.evaluate import browse, predictions
from tests.reports.synthetic import SHIFTED, Synthetic


@pytest.fixture
def synthetic(tmp_path: Path) -> Synthetic:
    made = Synthetic(tmp_path)
    made.images = 30
    made.write()
    return made


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[list[str]]:
    assert main(["show", *arguments]) == 0
    title, *lines = capsys.readouterr().out.splitlines()
    assert title == "digits, smallnet"
    return [line.split() for line in lines]


def test_everything_is_in_one_tidy_frame(synthetic: Synthetic) -> None:
    frame = augmix.load(synthetic.folder)
    with (synthetic.folder / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(frame.columns) == list(rows[0])
    assert len(frame) == len(rows)
    assert [str(frame[column].dtype) for column in ("seed", "severity", "value")] == ["int64", "Int64", "float64"]
    fog = frame.query("shift == 'fog' and severity == 3 and metric == 'error' and method == 'augmix'")
    assert fog["value"].tolist() == [
        synthetic.value(method="augmix", seed=seed, shift="fog", severity=3, metric="error") for seed in (0, 1)
    ]
    assert frame["severity"].isna().sum() == sum(row["severity"] == "" for row in rows)


def test_without_calling_it_nothing_heavy_is_imported() -> None:
    code = "import augmix, sys; augmix.load; print({'torch', 'pandas'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_a_method_a_row_with_means_over_seeds(synthetic: Synthetic, capsys: pytest.CaptureFixture[str]) -> None:
    header, *rows = shown(capsys, str(synthetic.folder))
    assert header == ["method", "clean", "error", "%", "C", "mCE", "%", "P", "mFP", "%"]
    assert [row[0] for row in rows] == ["standard", "augmix", "no_jsd"]
    values = [100 * synthetic.value(method="augmix", seed=s, shift="clean", metric="error") for s in (0, 1)]
    assert rows[1][1:4] == [f"{mean(values):.1f}", "±", f"{stdev(values):.1f}"]


def test_the_mean_of_every_kind_of_test_set(synthetic: Synthetic, capsys: pytest.CaptureFixture[str]) -> None:
    synthetic.testsets["textures"] = {"kind": "textures", "shifts": list(TEXTURES), **SHIFTED}
    synthetic.write()
    header, *rows = shown(capsys, str(synthetic.folder))
    assert header[-3:] == ["textures", "mTE", "%"]
    values = [100 * synthetic.value(method="augmix", seed=s, shift="mTE", metric="error") for s in (0, 1)]
    assert rows[1][-3] == f"{mean(values):.1f}"


def test_by_severity_and_by_corruption(synthetic: Synthetic, capsys: pytest.CaptureFixture[str]) -> None:
    header, *rows = shown(capsys, str(synthetic.folder), "--by", "severity", "--measure", "brier")
    assert header == ["severity,", "brier", "in", "×", "100", "standard", "augmix", "no_jsd"]
    assert [row[0] for row in rows] == ["1", "2", "3", "4", "5"]
    values = [100 * synthetic.value(method="augmix", seed=s, shift="mean", severity=4, metric="brier") for s in (0, 1)]
    assert rows[3][2] == f"{mean(values):.1f}"
    _, *rows = shown(capsys, str(synthetic.folder), "--by", "corruption")
    assert {"fog", "snow"} <= {row[0] for row in rows}
    header, *rows = shown(capsys, str(synthetic.folder), "--by", "seed", "--testset", "clean")
    assert [row[:3] for row in rows][:2] == [["standard,", "seed", "0"], ["standard,", "seed", "1"]]


def test_by_class_is_of_the_predictions(synthetic: Synthetic, capsys: pytest.CaptureFixture[str]) -> None:
    expected = []
    for path in sorted(synthetic.folder.rglob("C.npz")):
        found = predictions.read(path, ("fog", "snow"))
        predictions.write(path, found, {"settings": {"kind": "corruptions", "shifts": ["fog", "snow"]}})
        if "augmix" in path.parts:
            wrong = [found.shifts[name]["prediction"].ravel() != found.labels for name in ("fog", "snow")]
            expected.append(100 * np.mean([one[found.labels == 2].mean() for one in wrong]))
    _, *rows = shown(capsys, str(synthetic.folder), "--by", "class", "--testset", "C")
    assert rows[2][:1] == ["2"]
    assert rows[2][2] == f"{mean(expected):.1f}"


def test_classes_have_names_wherever_the_command_is_given(
    synthetic: Synthetic, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in sorted(synthetic.folder.rglob("C.npz")):
        found = predictions.read(path, ("fog", "snow"))
        predictions.write(path, found, {"settings": {"kind": "corruptions", "shifts": ["fog", "snow"]}})
        (path.parents[1] / "config.yaml").write_text("data: data/prepared\n")
    record = synthetic.folder.parents[1] / "data/prepared/dataset.json"
    record.parent.mkdir(parents=True)
    record.write_text('{"classes": ["ant", "bee", "cow"]}')
    for there in (synthetic.folder.parents[1], tmp_path / "elsewhere"):
        there.mkdir(exist_ok=True)
        monkeypatch.chdir(there)
        _, *rows = shown(capsys, str(synthetic.folder), "--by", "class", "--testset", "C")
        assert [row[0] for row in rows][:3] == ["ant", "bee", "cow"]


def test_what_became_of_the_runs(synthetic: Synthetic, capsys: pytest.CaptureFixture[str]) -> None:
    synthetic.status = {("augmix", 1): "diverged"}
    synthetic.write()
    assert main(["show", str(synthetic.folder), "--runs"]) == 0
    said = capsys.readouterr().out
    assert "digits/smallnet/augmix/seed1    diverged" in said
    assert "loss nan in epoch 2" in said


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--testset", "D"], "has no test set 'D'; valid: C, P, clean"),
        (["--measure", "bier"], "has no measure 'bier'; did you mean 'brier'?"),
        (["--by", "severity", "--testset", "P"], "has nothing by severity of P"),
        (["--by", "class", "--testset", "P"], "is of sequences, which have no error"),
    ],
)
def test_what_is_not_there_is_one_line(
    synthetic: Synthetic, arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in synthetic.folder.rglob("P.npz"):
        found = predictions.read(path, ("tilt", "scale"))
        predictions.write(path, found, {"settings": {"kind": "perturbations", "shifts": ["tilt", "scale"]}})
    assert main(["show", str(synthetic.folder), *arguments]) == 2
    said = capsys.readouterr().err
    assert line in said
    assert said.count("\n") == 1


def test_before_any_run_has_finished_it_says_so(synthetic: Synthetic, capsys: pytest.CaptureFixture[str]) -> None:
    synthetic.status = {(method["name"], seed): "missing" for method in synthetic.methods for seed in synthetic.seeds}
    synthetic.write()
    assert main(["show", str(synthetic.folder)]) == 2
    assert f"no run of {synthetic.folder} has finished; see `augmix show" in capsys.readouterr().err


def test_a_folder_without_or_with_damaged_numbers_is_named(synthetic: Synthetic, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"metrics\.csv is missing: name a results folder"):
        augmix.load(tmp_path)
    with pytest.raises(UserError, match=r"runs\.csv is missing: name an experiment's results"):
        browse.runs_of(tmp_path)
    path = synthetic.folder / "metrics.csv"
    path.write_text(path.read_text().replace(",0.", ",nought.", 1))
    with pytest.raises(UserError, match="has something that is no number"):
        augmix.load(synthetic.folder)
