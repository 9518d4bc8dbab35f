"""The figure of the method: an actual draw of AugMix on a test image, step by step, and what the loss compares."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, Rectangle

from augmix.suite.data.datasets import read_images
from reports.loaded import Results
from reports.names import spaced
from reports.style import COLOURS, LOOKS, WIDTH, Drawing, saved

if TYPE_CHECKING:
    import torch

    from augmix.mixing import Plan

HEIGHT = 2.35
"""Inches."""
SIDE = 0.5
"""That of an image, in inches."""
DRAWS = 8192
"""Plans that are drawn, of which about one in seven hundred shows all that there is to see."""
ROWS = (1.6, 0.93, 0.26)
"""The lower edges of the chains' images, in inches."""


class Steps(NamedTuple):
    """One view in the making; images are uint8 (H, W, 3)."""

    chains: list[list[tuple[str, np.ndarray]]]
    """Each chain's operations, with the image after each."""
    weights: Sequence[float]
    mixture: np.ndarray
    """The chains' results, weighted."""
    m: float
    view: np.ndarray


def steps_of(image: np.ndarray, plan: "Plan") -> Steps:
    """The images that the first entry of a plan makes of one, uint8 (H, W, 3), step by step."""
    import torch

    from augmix import mixing, operations

    batch = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None]
    chains = []
    for ids, parameters in zip(plan.operations[0], plan.parameters[0], strict=True):
        chain, current = [], batch
        for number, parameter in zip(ids, parameters, strict=True):
            if number != operations.IDENTITY:
                name = operations.OPERATIONS[number].name
                current = operations.apply(name, current, parameter)
                chain.append((name, _shown(current)))
        chains.append(chain)
    one = _entry(plan, 0)
    mixture, view = (mixing.apply(batch, plan_) for plan_ in (one._replace(m=np.ones(1)), one))
    return Steps(chains, plan.weights[0].tolist(), _shown(mixture), float(plan.m[0]), _shown(view))


def _shown(images: "torch.Tensor") -> np.ndarray:
    """The first of some images as it is printed."""
    return np.asarray(images[0].permute(1, 2, 0).round().byte())


def telling_plans(size: tuple[int, int]) -> "tuple[Plan, Plan]":
    """The plans of two views of an image: the first draw that shows chains of one to three operations, and its next.

    No operation is there twice, and no weight is so small that its chain could not be seen.
    """
    from augmix import operations
    from augmix.mixing import Sampler

    plan = Sampler().sample(DRAWS, size, np.random.default_rng(0))
    depths = np.sort((plan.operations != operations.IDENTITY).sum(2), axis=1)
    clear = (plan.weights.min(1) > 0.2) & (np.abs(plan.m - 0.5) < 0.2) & (depths == (1, 2, 3)).all(1)
    all_six = 1 + 6  # and the identity
    place = next(at for at in np.flatnonzero(clear).tolist() if len(np.unique(plan.operations[at])) == all_six)
    return _entry(plan, place), _entry(plan, place + 1)


def _entry(plan: "Plan", place: int) -> "Plan":
    """The plan of one image of a batch."""
    arrays = (plan.operations, plan.parameters, plan.weights, plan.m)
    ids, parameters, weights, m = (array[place : place + 1] for array in arrays)
    return plan._replace(operations=ids, parameters=parameters, weights=weights, m=m)


def draw_method(results: Results, folder: Path, dataset: str) -> Iterator[Drawing]:
    """AugMix on a test image of the first data set, where its images are at hand; it is the same on every one."""
    data = results.data / dataset
    if dataset != next(iter(results.datasets)) or not (data / "test_images.npy").is_file():
        return
    image = read_images(data, "test")[:1][0]
    first, second = (steps_of(image, plan) for plan in telling_plans(image.shape[:2]))
    with saved(folder, "method", WIDTH, HEIGHT) as figure:
        ax = figure.add_axes((0, 0, 1, 1))
        _view(ax, image, first)
        _loss(ax, [image, first.view, second.view])
        ax.set(xlim=(0, WIDTH), ylim=(0, HEIGHT), aspect="equal")
        ax.set_axis_off()
        figure.set_layout_engine("none")
    yield Drawing(
        "method",
        "method",
        f"AugMix on a test image of {results.dataset_title(dataset)}, an actual draw. Left, one view: chains of random "
        "operations, their average with weights w from Dirichlet(1, 1, 1), and its mix with the image, m from "
        "Beta(1, 1). Right, the loss: the net sees the image and two such views, and its predictions are to agree.",
    )


def _view(ax: Axes, image: np.ndarray, steps: Steps) -> None:
    """The chains, their average, and the view."""
    middle = ROWS[1] + SIDE / 2
    _image(ax, image, (0.05, ROWS[1]), "image $x$")
    for row, (chain, weight) in enumerate(zip(steps.chains, steps.weights, strict=True)):
        x, y = 0.05 + SIDE, ROWS[row] + SIDE / 2
        start = (x, middle)
        for place, (name, shown) in enumerate(chain):
            left = 0.85 + 0.72 * place
            _arrow(ax, start, (left, y))
            _image(ax, shown, (left, ROWS[row]), spaced(name))
            start = (left + SIDE, y)
        _arrow(ax, start, (3.12, middle))
        along = 0.55
        ax.text(
            start[0] + along * (3.12 - start[0]), start[1] + along * (middle - start[1]) + 0.06,
            f"$w_{row + 1} = {weight:.2f}$", fontsize=7, ha="center", va="bottom", color=COLOURS[2],
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.4},
        )  # fmt: skip
    _image(ax, steps.mixture, (3.12, ROWS[1]), "average")
    _arrow(ax, (3.12 + SIDE, middle), (4.05, middle))
    ax.text(3.84, middle + 0.05, f"$m = {steps.m:.2f}$", fontsize=7, ha="center", color=COLOURS[2])
    ax.plot([0.3, 0.3, 3.84, 3.84], [ROWS[1], 0.1, 0.1, middle - 0.02], color="black", linewidth=0.7)
    ax.text(2.9, 0.13, f"$1 - m = {1 - steps.m:.2f}$", fontsize=7, color=COLOURS[2])


def _loss(ax: Axes, views: Sequence[np.ndarray]) -> None:
    """The image and two views through one net, and what is minimised."""
    colour = LOOKS["augmix"].colour
    box = {"boxstyle": "round,pad=0.35", "facecolor": "white", "edgecolor": colour}
    for row, (view, title) in enumerate(zip(views, ("image $x$", "view $x_1$", "view $x_2$"), strict=True)):
        y = ROWS[row] + SIDE / 2
        _image(ax, view, (4.05, ROWS[row]), title)
        _arrow(ax, (4.05 + SIDE, y), (4.82, y))
        _arrow(ax, (5.06, y), (5.3, y))
        ax.text(5.4, y, ("$p$", "$p_1$", "$p_2$")[row], fontsize=9, ha="center", va="center")
        _arrow(ax, (5.52, y), (5.72, ROWS[1] + SIDE / 2 + 0.12 * (1 - row)))
    top, bottom = ROWS[0] + SIDE, ROWS[-1]
    ax.add_patch(Rectangle((4.82, bottom), 0.24, top - bottom, facecolor="white", edgecolor=COLOURS[2], linewidth=1))
    ax.text(4.94, ROWS[1] + SIDE / 2, "net", rotation=90, fontsize=9, ha="center", va="center")
    said = "cross-entropy\n$(p, y)$\n$+\\ \\lambda\\,$JSD\n$(p, p_1, p_2)$"
    ax.text(6.1, ROWS[1] + SIDE / 2, said, fontsize=7.5, ha="center", va="center", bbox=box, linespacing=1.4)


def _image(ax: Axes, image: np.ndarray, corner: tuple[float, float], title: str) -> None:
    x, y = corner
    ax.imshow(image, extent=(x, x + SIDE, y, y + SIDE), interpolation="nearest", zorder=2)
    ax.text(x + SIDE / 2, y + SIDE + 0.03, title, fontsize=7, ha="center", va="bottom")


def _arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    ax.add_patch(
        FancyArrowPatch(
            start, end, arrowstyle="-|>", mutation_scale=5, linewidth=0.7, color="black", shrinkA=1, shrinkB=1
        )
    )
