"""Release files: what `augmix release` writes is what `augmix.models.load` gives."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from augmix import models
from augmix.errors import UserError
from augmix.suite.config.experiment import Experiment
from augmix.suite.evaluate import predictions
from augmix.suite.evaluate.predictions import NUMBERS, Predictions
from augmix.suite.evaluate.release import release
from augmix.suite.io import digests
from augmix.suite.io.files import write_json
from augmix.suite.train.checkpoints import save

NAME = "digits/smallnet_thin/augmix"


@pytest.fixture
def experiment(small_experiment: Callable[..., Experiment]) -> Experiment:
    """An experiment of two methods with a net each, whose predictions are wrong for every fourth image."""
    made = small_experiment(
        architectures=["smallnet_thin"], methods=["standard", "augmix"], testsets={"C": {"images": 20}, "P": None}
    )
    for run in made.runs:
        folder = made.folder / run.path
        folder.mkdir(parents=True)
        write_json(folder / "config.yaml", run.training.as_json())  # JSON is YAML
        save(folder / "model.pt", models.build("smallnet_thin", 10).state_dict())
        sha256 = digests.file_digest(folder / "model.pt")
        noted = {"parameters": 51058, "seed": 0, "augmix": "0.1.0", "commit": "abc", "device": "cpu"}
        write_json(folder / "provenance.json", {**noted, "packages": {"torch": "2.14.1"}, "model_sha256": sha256})
        for testset in run.testsets:
            count = testset.size(40) or 0
            labels = np.zeros((testset.levels, count), np.int64)
            numbers = np.zeros(labels.shape, NUMBERS)
            numbers["prediction"][:, ::4] = 1
            archive = Predictions(dict.fromkeys(testset.shifts, numbers.squeeze()), labels.ravel(), "made up")
            path = predictions.path_of(folder, run.evaluation.output, testset.name)
            path.parent.mkdir(exist_ok=True)
            predictions.write(path, archive, {"weights": sha256})
    return made


def wilson(count: int) -> str:
    """The shares x with (x − 1/4)² = z² x (1 − x) / n: the ends of the interval; the variance is of n + 1 images."""
    weight = 1.959964**2 / count
    low, high = sorted(np.roots([1 + weight, -0.5 - weight, 1 / 16]))
    return f"{low:.2%} … {high:.2%}"


def test_what_is_released_is_loaded(experiment: Experiment, tmp_path: Path) -> None:
    folder = tmp_path / "weights"
    assert release(experiment, folder, 0) == ["digits/smallnet_thin/standard", NAME]
    net = models.load(NAME, folder)
    own = models.build("smallnet_thin", 10)
    own.load_state_dict(torch.load(experiment.folder / f"{NAME}/seed0/model.pt", weights_only=True))
    images = torch.randint(256, (4, 3, 8, 8), dtype=torch.uint8)
    assert torch.equal(net(images), models.Normalised(own).eval()(images))
    assert net.classes == list("0123456789")
    card = (folder / "digits-smallnet_thin-augmix.md").read_text()
    assert f'net = augmix.models.load("{NAME}", "{folder}")' in card
    assert f"| clean error | 25.00% | {wilson(39)} |" in card
    assert f"| mCE (-C) | 25.00% | {wilson(19)} |" in card
    assert f"sha256 | `{digests.file_digest(folder / 'digits-smallnet_thin-augmix.pt')}`" in card


def test_a_card_in_the_package_names_no_folder(
    experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("augmix.suite.evaluate.release.SHIPPED", tmp_path)
    release(experiment, tmp_path, 0, ["augmix"])
    assert f'load("{NAME}")      # takes images in' in (tmp_path / "digits-smallnet_thin-augmix.md").read_text()


def test_one_method_with_an_address(experiment: Experiment, tmp_path: Path) -> None:
    assert release(experiment, tmp_path, 0, ["augmix"], "https://example.org/v1/") == [NAME]
    [entry] = json.loads((tmp_path / "weights.json").read_text()).values()
    assert entry["url"] == "https://example.org/v1/digits-smallnet_thin-augmix.pt"


def test_nothing_is_written_of_what_is_not_whole(experiment: Experiment, tmp_path: Path) -> None:
    folder = tmp_path / "weights"
    with pytest.raises(UserError, match="no method 'augmx' in small; did you mean 'augmix'"):
        release(experiment, folder, 0, ["augmx"])
    with pytest.raises(UserError, match="small has no seed 3"):
        release(experiment, folder, 3)
    run = experiment.folder / NAME / "seed0"
    other = json.loads((run / "provenance.json").read_text())["model_sha256"][::-1]
    (run / "provenance.json").write_text((run / "provenance.json").read_text().replace(other[::-1], other))
    with pytest.raises(UserError, match=r"model\.pt is not the net that was trained there"):
        release(experiment, folder, 0)
    (run / "model.pt").unlink()
    with pytest.raises(UserError, match=r"model\.pt cannot be read"):
        release(experiment, folder, 0)
    (run / "provenance.json").unlink()
    with pytest.raises(
        UserError, match=r"seed0 is not trained yet: run `augmix reproduce` with the same --config first"
    ):
        release(experiment, folder, 0)
    assert not folder.exists()


def test_the_licence_is_the_releasers_to_state(experiment: Experiment, tmp_path: Path) -> None:
    folder = tmp_path / "weights"
    card = folder / "digits-smallnet_thin-augmix.md"
    release(experiment, folder, 0, ["augmix"])
    assert "| licence" not in card.read_text()
    release(experiment, folder, 0, ["augmix"], licence="CC BY 4.0")
    assert re.search(r"\| trained by \|.*\|\n\| licence \| CC BY 4\.0 \|\n\nThe recipe", card.read_text())


def test_what_was_released_stays(experiment: Experiment, tmp_path: Path) -> None:
    folder = tmp_path / "weights"
    index = folder / "weights.json"
    release(experiment, folder, 0, ["standard"], "https://example.org")
    [(standard, entry)] = json.loads(index.read_text()).items()
    release(experiment, folder, 0, ["augmix"])
    assert json.loads(index.read_text())[standard] == entry
    assert models.load(standard, folder).classes == models.load(NAME, folder).classes

    write_json(index, {standard: entry | {"sha256": "another's"}})
    before = {path: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(UserError, match=r"standard\.pt is another net that has been released; give another --output"):
        release(experiment, folder, 0)
    index.write_text("{")
    with pytest.raises(UserError, match=r"weights\.json is no index of released nets"):
        release(experiment, folder, 0)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before | {index: b"{"}
