"""Release files: an experiment's trained nets, each with a card of what it is, and an index for `models.load`."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from augmix.errors import UserError
from augmix.models._released import INDEX, SHIPPED, read_index
from augmix.registry import nearest
from augmix.scoring import share_score
from augmix.suite.config.experiment import Experiment
from augmix.suite.config.runs import Run
from augmix.suite.data import datasets
from augmix.suite.evaluate import predictions
from augmix.suite.evaluate.measures import MEASURES, measures_of
from augmix.suite.evaluate.scores import image_scores
from augmix.suite.io import digests
from augmix.suite.io.files import atomic, read_mapping, write_json, write_text

CARD = """# {name}

A `{architecture}` with {parameters:,} parameters, trained with `{method}` (seed {seed}) on {title}: {count} classes,
images of {height}×{width} pixels. It is one net of one seed; the experiment's report says what differs
between methods by more than chance.

```python
net = augmix.models.load("{name}"{place})      # {where}takes images in [0, 255], (B, 3, H, W)
```

| figure | value | 95 % interval over test images |
|---|---|---|
{figures}

| | |
|---|---|
| file | `{file}`, {size:,} bytes |
| sha256 | `{sha256}` |
| classes | {names} |
| trained by | augmix {augmix}, commit `{commit}`, torch {torch}, {device} |{licence}

The recipe, as the run's `config.yaml` has it:

```yaml
{recipe}```
"""


class Net(NamedTuple):
    """A net to release."""

    name: str
    weights: Path
    entry: dict[str, Any]
    """The index's entry about it."""
    card: str


def release(
    experiment: Experiment, output: Path, seed: int, methods: Sequence[str] = (), url: str = "", licence: str = ""
) -> list[str]:
    """Write the nets of a seed to the folder `output`: `<name>.pt`, `<name>.md` and the index; returns their names.

    `methods` are those to release, all where there are none. `url` is where the files will be found, and stands in the
    index; `licence` is what the cards say, nothing where it is empty. Nets that are in the folder already stay. Raises
    `UserError`, before anything is written, for a run that has not finished or is not as it was trained, and where a
    net would take the place of another that was released.
    """
    known = {run.method for run in experiment.runs}
    for method in methods:
        if method not in known:
            raise UserError(f"no method '{method}' in {experiment.name}; {nearest(method, known)}")
    runs = [run for run in experiment.runs if run.seed == seed and run.method in (methods or known)]
    if not runs:
        raise UserError(f"{experiment.name} has no seed {seed}")
    nets = [_net(experiment, run, output, url, licence) for run in runs]
    index = read_index(output / INDEX) if (output / INDEX).exists() else {}
    there = {entry["file"]: (name, entry["sha256"]) for name, entry in index.items()}
    for net in nets:
        path, found = output / net.entry["file"], (net.name, net.entry["sha256"])
        if there.setdefault(path.name, found) != found:
            hint = f"give another --output, or delete its entry in {INDEX}"
            raise UserError(f"{path} is another net that has been released; {hint}")
    output.mkdir(parents=True, exist_ok=True)
    for net in nets:
        with atomic(output / net.entry["file"]) as temporary:
            shutil.copyfile(net.weights, temporary)
        write_text((output / net.entry["file"]).with_suffix(".md"), net.card)
    write_json(output / INDEX, index | {net.name: net.entry for net in nets})
    return [net.name for net in nets]


def _net(experiment: Experiment, run: Run, output: Path, url: str, licence: str) -> Net:
    folder, data = experiment.folder / run.path, Path(run.training.data)
    if not (folder / "provenance.json").exists():
        raise UserError(f"{folder} is not trained yet: run `augmix reproduce` with the same --config first")
    noted, provenance = datasets.record(data), read_mapping(folder / "provenance.json", {"model_sha256": str})
    weights, sha256 = folder / "model.pt", provenance["model_sha256"]
    if digests.file_digest(weights) != sha256:
        raise UserError(f"{weights} is not the net that was trained there; delete it to train it again")
    name = f"{run.dataset}/{run.architecture}/{run.method}"
    file = f"{name.replace('/', '-')}.pt"
    entry = {
        "file": file,
        "sha256": sha256,
        "architecture": run.training.architecture,
        "classes": noted["classes"],
        "normalisation": noted["normalisation"],
        **({"url": f"{url.rstrip('/')}/{file}"} if url else {}),
    }
    shipped = output.resolve() == SHIPPED.resolve()
    height, width = datasets.read_images(data, "test").shape[1:3]
    card = CARD.format(
        **entry,
        **{key: provenance[key] for key in ("parameters", "seed", "augmix", "commit", "device")},
        name=name,
        place="" if shipped else f', "{output}"',
        where="" if shipped else "this card's folder; ",
        count=len(noted["classes"]),
        method=run.method,
        title=experiment.config["datasets"][run.dataset].get("title") or run.dataset,
        height=height,
        width=width,
        figures="\n".join(_figures(run, folder, sha256)),
        size=weights.stat().st_size,
        names=", ".join(noted["classes"]),
        torch=provenance["packages"]["torch"],
        licence=f"\n| licence | {licence} |" if licence else "",
        recipe=yaml.safe_dump(read_mapping(folder / "config.yaml", {}), sort_keys=True),
    )
    return Net(name, weights, entry, card)


def _figures(run: Run, folder: Path, sha256: str) -> Iterator[str]:
    """The rows of the table of figures: each test set's headline, with its interval over test images."""
    for testset in run.testsets:
        path = predictions.path_of(folder, run.evaluation.output, testset.name)
        if predictions.read_stamp(path)["weights"] != sha256:
            raise predictions.OutdatedError(path, "is of another net")
        archive = predictions.read(path, testset.shifts, testset.top5)
        metric = measures_of(testset)[0]
        each = image_scores(testset, archive, metric) or {}
        shift = testset.mean if testset.mean in each else "".join(testset.shifts)
        if shift in each:  # the others' measures are of all images together
            figure = share_score(testset.name, shift, metric, each[shift])
            of = testset.adjective or testset.title
            title = f"{of} {MEASURES[metric].phrase}" if shift != testset.mean else f"{shift} ({of})"
            yield f"| {title} | {figure.value:.2%} | {figure.low:.2%} … {figure.high:.2%} |"
