"""The figures beside standard training are those of the runs."""

import pytest

from reports import beside
from reports.loaded import load
from tests.reports.synthetic import Synthetic


@pytest.fixture
def rows(synthetic: Synthetic) -> list[dict[str, str]]:
    """Three methods on 60 images in three seeds; one has parameters of its own, another a name of its own, too."""
    synthetic.images, synthetic.seeds = 60, (0, 1, 2)
    synthetic.methods[1] |= {"parameters": {"width": 5}, "training": {"weight_decay": 1e-4, "nesterov": False}}
    synthetic.write()
    results = load(synthetic.folder, synthetic.data)
    return [dict(zip(beside.COLUMNS, map(str, row), strict=True)) for row in beside.rows(results)]


def test_the_differences_are_those_of_the_means(synthetic: Synthetic, rows: list[dict[str, str]]) -> None:
    [row] = [row for row in rows if row["figure"] == "mCE" and row["method"] == "augmix"]
    means = {
        method: sum(100 * synthetic.value(method=method, shift="mCE", seed=seed) for seed in (0, 1, 2)) / 3
        for method in ("augmix", "standard")
    }
    assert float(row["mean"]) == pytest.approx(means["augmix"], abs=1e-4)
    assert float(row["standard"]) == pytest.approx(means["standard"], abs=1e-4)
    assert float(row["difference"]) == pytest.approx(means["augmix"] - means["standard"], abs=2e-4)
    assert float(row["low"]) < float(row["difference"]) < float(row["high"])
    assert row["significant"] == "true"
    assert row["settings"] == "width 5, weight decay 0.0001, no nesterov"
    assert row["seeds"] == "3"


def test_every_method_has_every_figure(rows: list[dict[str, str]]) -> None:
    by_method = {
        method: [row["figure"] for row in rows if row["method"] == method]
        for method in ("standard", "augmix", "no_jsd")
    }
    assert by_method["standard"] == by_method["augmix"] == by_method["no_jsd"]
    assert {"mCE", "Clean error", "mFP", "fog", "JPEG compression"} <= set(by_method["augmix"])
    assert len([row for row in rows if row["kind"] == beside.CORRUPTION]) == 3 * 15
    assert {row["difference"] for row in rows if row["method"] == "standard"} == {""}
