"""The published figures agree with one another where two sources measured the same nets."""

import numpy as np
import pytest

from augmix.suite.evaluate.paper import paper_results

PAPER = paper_results()["augmix_iclr2020"]
ROBUSTBENCH = paper_results()["robustbench_corruptions"]


@pytest.mark.parametrize(
    ("key", "table", "architecture"),
    [
        ("augmix_wrn40_2_cifar10", "table1_cifar10c", "wideresnet"),
        ("augmix_resnext29_cifar10", "table1_cifar10c", "resnext"),
        ("augmix_wrn40_2_cifar100", "table1_cifar100c", "wideresnet"),
        ("augmix_resnext29_cifar100", "table1_cifar100c", "resnext"),
    ],
)
def test_robustbench_measures_the_papers_nets(key: str, table: str, architecture: str) -> None:
    printed = PAPER[table][architecture][PAPER[table]["columns"].index("augmix")]
    assert 100 - ROBUSTBENCH[key]["corruption_acc"] == pytest.approx(printed, abs=0.05)


@pytest.mark.parametrize("key", ["augmix_resnet50_imagenet", "standard_resnet50_imagenet"])
def test_mce_is_near_the_mean_error_in_units_of_alexnets(key: str) -> None:
    """The mean of fifteen quotients is near the quotient of the means, as AlexNet's errors are of one magnitude."""
    alexnet = {name: value for name, value in paper_results()["alexnet_imagenetc_error"].items() if name != "checked"}
    figures = ROBUSTBENCH[key]
    assert len(alexnet) == 15
    quotient = (100 - figures["corruption_acc"]) / np.mean(list(alexnet.values()))
    assert figures["mce"] == pytest.approx(quotient, abs=1)


def test_the_standard_resnet50_of_two_leaderboards_is_one_net() -> None:
    """The -C authors and RobustBench both took torchvision's, RobustBench on a tenth of the images."""
    theirs, ours = paper_results()["robustness_readme_resnet50"]["standard"], ROBUSTBENCH["standard_resnet50_imagenet"]
    assert ours["mce"] == pytest.approx(theirs["mce"], abs=0.5)
    assert 100 - ours["clean_acc"] == pytest.approx(theirs["clean_error"], abs=1)
