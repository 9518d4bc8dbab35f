"""Published figures beside ours: each status where it belongs, the interval as a textbook has it, orderings."""

from collections import Counter
from collections.abc import Mapping

import pytest
from scipy import stats

from augmix.suite.evaluate.measures import MEASURES
from reports import reproduction
from reports.layout import as_csv
from reports.literature import NETS, published
from reports.loaded import Results, load
from reports.quantities import Cell, Quantity
from reports.reproduction import (
    counted,
    ended,
    orderings,
    outcomes,
    prediction_interval,
    verdict_table,
)
from tests.reports.synthetic import Synthetic

PAPER = {("standard", "allconv"): 30.8, ("augmix", "allconv"): 15.0}


def on_cifar10(synthetic: Synthetic, figures: Mapping[str, tuple[float, ...]]) -> Results:
    """CIFAR-10 with AllConvNet and these mCEs by seed."""
    synthetic.datasets = {"c10": {"loader": "cifar10", "title": "CIFAR-10", "flip": True}}
    synthetic.architectures = ("allconv",)
    synthetic.methods = [{"name": name, "preset": name} for name in figures]
    synthetic.seeds = range(max(len(values) for values in figures.values()))
    synthetic.write()
    for row in synthetic.metrics:
        if row["shift"] == "mCE":
            row["value"] = figures[row["method"]][row["seed"]] / 100
    synthetic.rewrite_metrics()
    return load(synthetic.folder, synthetic.data)


@pytest.fixture
def alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every set-up be the published one."""
    monkeypatch.setattr(reproduction, "differences", lambda *_: "–")


def test_the_prediction_interval_is_that_of_one_more_run() -> None:
    cell = Cell(11.0, 0.5, 3, 3)
    low, high = prediction_interval(cell) or (0, 0)
    half = stats.t.ppf(0.975, 2) * 0.5 * (4 / 3) ** 0.5
    assert (low, high) == (pytest.approx(11 - half), pytest.approx(11 + half))
    assert prediction_interval(Cell(11.0, None, 1, 3)) is None
    covered = []
    for sample in stats.norm.rvs(size=(4000, 5), random_state=1):
        low, high = prediction_interval(Cell(sample[:4].mean(), sample[:4].std(ddof=1), 4, 4)) or (0, 0)
        covered.append(low <= sample[4] <= high)
    assert sum(covered) / len(covered) == pytest.approx(0.95, abs=0.011)


@pytest.mark.usefixtures("alike")
@pytest.mark.parametrize(
    ("augmix", "status", "why"),
    [
        ((15.1, 14.9, 15.3), "reproduced", ""),
        ((16.1, 16.0, 16.2), "differs", ""),
        ((15.05, 15.05, 15.05), "reproduced", ""),  # as the paper rounds
        ((15.06, 15.06, 15.06), "differs", ""),
        ((15.1, 14.9), "cannot tell", "two seeds"),
        ((26.1, 26.0), "differs", ""),
        ((15.0,), "cannot tell", "one seed"),
    ],
)
def test_a_figure_is_reproduced_where_one_more_run_could_have_it(
    synthetic: Synthetic, augmix: tuple[float, ...], status: str, why: str
) -> None:
    results = on_cifar10(synthetic, {"augmix": augmix})
    [found] = [one for one in outcomes(results) if one.place is not None]
    assert found.figure.value == PAPER["augmix", "allconv"]
    assert (found.status, found.why) == (status, why)


def test_what_is_not_comparable_or_not_run_says_why(synthetic: Synthetic) -> None:
    synthetic.status = {("augmix", 0): "diverged", ("augmix", 1): "diverged"}
    results = on_cifar10(synthetic, {"augmix": (15.0, 15.0), "standard": (30.0, 31.0)})
    found = {one.figure[:3]: one for one in outcomes(results) if one.figure.measure == "mCE"}
    standard = found["cifar10", "allconv", "standard"]
    assert standard.status == "not comparable"
    assert "4 epochs, not 100" in standard.why
    assert standard.interval is not None
    whys = {
        ("cifar10", "allconv", "augmix"): "diverged",
        ("cifar10", "allconv", "mixup"): "another method",
        ("cifar10", "densenet", "augmix"): "another architecture",
        ("cifar10", "mean", "augmix"): "not all of its architectures, or another method",
        ("cifar100", "allconv", "augmix"): "another data set",
    }
    for key, why in whys.items():
        assert (found[key].status, found[key].why) == ("not run", why)
    total = len(list(published()))
    assert counted(results)[0] == (
        f"Of {total} published figures, 1 is not comparable and {total - 1} are not run here; tables/verdict.csv lists "
        "them all."
    )


@pytest.mark.usefixtures("alike")
def test_the_papers_means_are_compared_where_all_its_nets_are(synthetic: Synthetic) -> None:
    synthetic.datasets = {"c10": {"loader": "cifar10", "title": "CIFAR-10"}}
    synthetic.architectures, synthetic.seeds = NETS, (0, 1, 2)
    synthetic.write()
    results = load(synthetic.folder, synthetic.data)
    [mean] = [one for one in outcomes(results) if one.figure[:3] == ("cifar10", "mean", "augmix")]
    assert mean.figure.value == 12.5
    assert mean.ours is not None
    each = [
        synthetic.value(arch=net, method="augmix", seed=s, shift="mCE", metric="error")
        for net in NETS
        for s in range(3)
    ]
    assert mean.ours.mean == pytest.approx(100 * sum(each) / len(each))


def test_every_cell_of_the_papers_tables_is_there_once() -> None:
    counts = Counter(figure.source for figure in published())
    assert counts == {
        "AugMix paper, Table 1": 2 * 5 * 7, "AugMix paper, Table 4": 2 * 3, "RobustBench": 8,
        "RobustBench, 5,000 images": 4, "AugMix paper, Table 2": 8 * 17, "AugMix paper, Table 3": 8 * 11,
    }  # fmt: skip
    assert len({(*figure[:4], figure.source) for figure in published()}) == sum(counts.values())


def test_a_corruption_of_imagenet_is_in_percent_of_alexnets(synthetic: Synthetic) -> None:
    synthetic.datasets = {"imagenet": {"loader": "imagenet", "title": "ImageNet"}}
    synthetic.architectures, synthetic.source = ("resnet50",), "published"
    synthetic.write()
    results = load(synthetic.folder, synthetic.data)
    [fog] = [one for one in outcomes(results) if one.figure.measure == "CE, fog" and one.figure.method == "augmix"]
    seeds = [synthetic.value(method="augmix", seed=s, shift="fog", severity="", metric="error") for s in (0, 1)]
    assert fog.ours is not None
    assert fog.ours.mean == pytest.approx(100 * sum(seeds) / 2 / 0.819324)
    assert fog.figure.value == 67
    rows = as_csv(verdict_table(results)).splitlines()
    assert len(rows) == 1 + len(outcomes(results))
    assert next(row for row in rows if ",CE, fog" in row.replace('"', "") and ",augmix,augmix," in row)


def test_orderings_hold_fail_or_cannot_be_told(synthetic: Synthetic) -> None:
    figures = {"standard": (30.8, 30.9, 30.7), "augmix": (15.0, 15.1, 14.9), "cutmix": (12.0, 12.1, 11.9)}
    results = on_cifar10(synthetic, {**figures, "mixup": (15.0, 12.0, 18.0), "kl_only": (9.0, 9.1, 9.2)})
    found = {(one.better.method, one.worse.method): one.verdict for one in orderings(results, "c10")}
    assert found == {
        ("augmix", "standard"): "holds",
        ("augmix", "cutmix"): "fails",
        ("standard", "cutmix"): "fails",
        ("mixup", "standard"): "holds",
        ("mixup", "cutmix"): "cannot tell",
        ("augmix", "mixup"): "cannot tell",
    }
    assert counted(results)[1] == (
        "Of the paper's six orderings of these methods by mCE, two hold, two fail and two cannot be told on CIFAR-10."
    )


@pytest.mark.parametrize(
    ("verdicts", "words"),
    [
        ({"holds": 2}, "both hold"),
        ({"fails": 3}, "all fail"),
        ({"cannot tell": 2}, "neither can be told"),
        ({"cannot tell": 4}, "none can be told"),
        ({"holds": 1, "fails": 2}, "one holds and two fail"),
        ({"holds": 2, "cannot tell": 1}, "two hold and one cannot be told"),
    ],
)
def test_what_became_of_several_orderings_is_said_in_words(verdicts: dict[str, int], words: str) -> None:
    assert ended(Counter(verdicts)) == words


def test_on_another_data_set_an_ordering_is_one_that_all_the_papers_nets_agree_on(synthetic: Synthetic) -> None:
    """On CIFAR-10 and -100 Cutout is behind standard training with some nets and before it with others."""
    synthetic.methods = [{"name": name, "preset": name} for name in ("standard", "cutout", "augmix")]
    synthetic.write()
    results = load(synthetic.folder, synthetic.data)
    pairs = {(one.better.method, one.worse.method) for one in orderings(results, "digits")}
    assert pairs == {("augmix", "standard"), ("augmix", "cutout")}
    assert MEASURES[Quantity("C", "mCE", "error").metric].lower_is_better
