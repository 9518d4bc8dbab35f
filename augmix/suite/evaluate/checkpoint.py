"""Evaluate anybody's weights on every test set that lies beside a prepared data set."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from augmix import models
from augmix.errors import UserError
from augmix.suite.data import datasets
from augmix.suite.evaluate import weights
from augmix.suite.evaluate.evaluation import write_predictions
from augmix.suite.evaluate.measures import MEASURES, measures_of
from augmix.suite.evaluate.paper import normalised_mce, paper_results
from augmix.suite.evaluate.results import COLUMNS, Row, run_metrics
from augmix.suite.evaluate.weights import Normalisation
from augmix.suite.io import digests, provenance
from augmix.suite.io.files import write_csv, write_json
from augmix.suite.testsets.base import TestSet
from augmix.suite.testsets.folder import beside
from augmix.suite.train import devices, nets


class Headline(NamedTuple):
    """A figure that a paper prints of a test set."""

    title: str
    """Its name in print: clean error, mCE."""
    value: float | None
    """A fraction; None where a shift is missing that enters it."""
    testset: TestSet


def evaluate_checkpoint(
    checkpoint: Path,
    architecture: str,
    data: Path,
    output: Path,
    device: str,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    preset: str | None = None,
) -> tuple[Normalisation, list[Headline]]:
    """Evaluate the weights in `checkpoint` on the prepared data set `data` and on the test sets in folders beside it.

    Images are normalised as `mean` and `std` or a `preset` say, else with the constants that the file holds, else with
    those of the data set. Writes `<output>/predictions/<test set>.npz`, `predictions.json` and `metrics.csv`; returns
    the normalisation and the headlines. Raises `UserError` for weights of another architecture or class count, and for
    a net that does not take the images or gives no numbers.
    """
    started = time.time()
    place = devices.set_up({"threads": torch.get_num_threads(), "device": device})
    noted, testsets = datasets.record(data), beside(data)
    read = weights.read(checkpoint)
    bare = weights.fit(read, architecture, len(noted["classes"]), checkpoint)
    used = weights.normalisation(read, bare, checkpoint, mean, std, preset)
    if used is None:
        their_mean, their_std = (tuple(values) for values in noted["normalisation"])
        used = Normalisation(their_mean, their_std, "the data set's; the file holds none")
    net = models.Normalised(bare, used.mean, used.std)
    net.to(place, memory_format=torch.channels_last)  # type: ignore[call-overload]
    side = datasets.read_images(data, "test").shape[1]
    black = torch.zeros((1, 3, side, side), dtype=torch.uint8, device=place)
    if not nets.try_out(net.eval(), architecture, black, len(noted["classes"])).isfinite().all():
        raise UserError(f"{architecture} with these weights gives logits that are not finite")
    described = {"architecture": architecture, "checkpoint": digests.file_digest(checkpoint)}
    stamp = {**described, "normalisation": [used.mean, used.std]}
    present = [testset for testset in testsets if testset.shifts]
    stamped = {testset.name: (testset, {"settings": testset.evaluated_with(), **stamp}) for testset in present}
    write_predictions(net, stamped, data, output / "predictions", place)
    rows = list(run_metrics(output / "predictions", present))
    write_csv(output / "metrics.csv", COLUMNS, [(data.name, architecture, checkpoint.stem, "", *row) for row in rows])
    what = {**provenance.describe(), **devices.noted(place), "weights": str(checkpoint), **described}
    what |= {"normalisation": used._asdict(), "started": started, "seconds": time.time() - started}
    write_json(output / "predictions.json", what)
    return used, [found for testset in testsets for found in headlines(testset, rows)]


def headlines(testset: TestSet, rows: Sequence[Row]) -> Iterator[Headline]:
    """The figures of a test set, from a run's rows; of ImageNet-C also the mCE in units of AlexNet's errors."""
    headline = measures_of(testset)[0]
    values = {
        shift: value
        for name, _, shift, severity, metric, value in rows
        if (name, severity, metric) == (testset.name, "", headline)
    }
    if not testset.entering:
        for shift in testset.shifts:
            yield Headline(f"{shift} {MEASURES[headline].title.lower()}", values[shift], testset)
        return
    yield Headline(testset.mean, values.get(testset.mean), testset)
    reference = paper_results()["alexnet_imagenetc_error"]
    if getattr(testset, "preset", "") == "imagenet" and set(testset.entering) <= set(reference) & set(values):
        normalised = normalised_mce({name: values[name] for name in testset.entering})
        yield Headline(f"{testset.mean} / AlexNet", normalised, testset)
