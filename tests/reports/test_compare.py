"""Two results folders or runs side by side: copies agree, differences are found, what does not compare is refused."""

import csv
import shutil
from pathlib import Path

import pytest

from augmix.errors import UserError
from augmix.suite.cli import main
from augmix.suite.evaluate import predictions
from reports.compare import as_frame, lines
from tests.reports.synthetic import Synthetic


@pytest.fixture
def pair(synthetic: Synthetic, tmp_path: Path) -> tuple[Path, Path]:
    """A results folder with predictions, and a copy of it elsewhere."""
    synthetic.images, synthetic.evaluated = 40, ("clean", "P")
    copy = tmp_path / "elsewhere" / "copied"
    shutil.copytree(synthetic.write(), copy)
    return synthetic.folder, copy


def change(folder: Path, method: str, amount: float) -> None:
    """Add to the clean errors of a method in metrics.csv; its predictions are taken away."""
    shutil.rmtree(folder / "digits/smallnet" / method / "seed0/predictions")
    path = folder / "metrics.csv"
    rows = list(csv.DictReader(path.open()))
    for row in rows:
        if (row["method"], row["shift"], row["metric"]) == (method, "clean", "error"):
            row["value"] = str(float(row["value"]) + amount)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_a_copy_is_the_same(pair: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", *map(str, pair), "--tolerance", "0"]) == 0
    said = capsys.readouterr().out
    assert said.endswith("0 of 6 figures differ by more than 0\n")
    assert "Clean error, %" in said
    assert "mFP on -P, %" in said
    for line in lines(*pair):
        assert line.compared.points == pytest.approx(0, abs=1e-9)
        assert line.over == "seeds and images"
        assert line.interval is not None
        assert line.interval.low <= 0 <= line.interval.high


@pytest.mark.parametrize(("tolerance", "status"), [("3", 1), ("5", 0)])
def test_a_difference_is_told_by_the_status(
    pair: tuple[Path, Path], tmp_path: Path, tolerance: str, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    change(pair[1], "augmix", 0.04)
    output = tmp_path / "made" / "c.csv"
    assert main(["compare", *map(str, pair), "--tolerance", tolerance, "--csv", str(output)]) == status
    said = capsys.readouterr().out
    assert f"{status} of 6 figures differ by more than {tolerance}" in said
    assert ("*" in said) == bool(status)
    [row] = [row for row in csv.DictReader(output.open()) if row["method"] == "augmix" and row["testset"] == "clean"]
    assert float(row["difference"]) == pytest.approx(4)
    assert float(row["second"]) - float(row["first"]) == pytest.approx(4)
    assert row["interval_over"] == "seeds"  # its predictions are not all there
    assert row["beyond"] == str(bool(status))


def test_two_runs_have_an_interval_over_their_common_images(pair: tuple[Path, Path]) -> None:
    runs = [pair[0] / "digits/smallnet/standard/seed0", pair[1] / "digits/smallnet/augmix/seed1"]
    clean, flips = lines(*runs)
    scores = []
    for run in runs:
        archive = predictions.read(run / "predictions/clean.npz", ("clean",))
        scores.append(archive.shifts["clean"]["prediction"] != archive.labels)
    assert clean.compared.points == pytest.approx(100 * (scores[1].mean() - scores[0].mean()))
    assert (clean.over, clean.seeds) == ("images", (1, 1))
    assert clean.interval is not None
    paired = (scores[1].astype(float) - scores[0]).std(ddof=1) / 40**0.5
    assert clean.interval.high - clean.interval.low == pytest.approx(2 * 196 * paired, rel=0.15)
    assert flips.quantity.shift == "mFP"
    assert list(as_frame([clean], 1)["other"]) == ["digits/smallnet/augmix"]


def test_other_test_images_are_refused(
    pair: tuple[Path, Path], synthetic: Synthetic, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in pair[1].rglob("clean.npz"):
        predictions.write(path, predictions.read(path, ("clean",)), {"images": "another digest"})
    assert main(["compare", *map(str, pair)]) == 2
    said = capsys.readouterr().err
    assert "were evaluated on other test images: clean of digits/smallnet/standard" in said
    assert said.count("\n") == 1
    synthetic.images = 60
    synthetic.write()
    with pytest.raises(UserError, match="other test images"):
        lines(*pair)


def test_nothing_in_common_is_refused(pair: tuple[Path, Path], synthetic: Synthetic, tmp_path: Path) -> None:
    synthetic.methods = [{"name": "cutout", "preset": "cutout"}]
    synthetic.write()
    with pytest.raises(UserError, match="have no figure in common"):
        lines(*pair)
    with pytest.raises(UserError, match=r"there is no experiment\.yaml"):
        lines(pair[0], tmp_path / "nowhere")
    with pytest.raises(UserError, match="one is a run, the other a results folder"):
        lines(pair[0], pair[1] / "digits/smallnet/augmix/seed0")
    with pytest.raises(UserError, match="is no finished run of"):
        lines(pair[1] / "digits/smallnet/augmix/seed7", pair[1] / "digits/smallnet/augmix/seed0")


@pytest.mark.parametrize("tolerance", ["-1", "nan", "inf"])
def test_a_tolerance_that_is_none(tolerance: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "a", "b", f"--tolerance={tolerance}"]) == 2
    assert "a finite number from 0 up is needed" in capsys.readouterr().err
