"""The figure of the method shows what the transform does."""

from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from augmix import mixing, operations
from reports.loaded import load
from reports.method import draw_method, steps_of, telling_plans
from tests.reports.synthetic import Synthetic


@pytest.mark.parametrize("side", [8, 64])
def test_the_steps_are_those_of_the_transform(side: int) -> None:
    image = np.random.default_rng(0).integers(256, size=(side, side, 3)).astype(np.uint8)
    batch = torch.from_numpy(image).permute(2, 0, 1)[None]
    for plan in telling_plans((side, side)):
        steps = steps_of(image, plan)
        view = mixing.apply(batch, plan)[0].permute(1, 2, 0).numpy()
        np.testing.assert_array_equal(steps.view, view.round())
        for chain, ids, parameters in zip(steps.chains, plan.operations[0], plan.parameters[0], strict=True):
            assert [name for name, _ in chain] == [operations.OPERATIONS[i].name for i in ids if i]
            whole = operations.chain(batch, ids[None], parameters[None])[0].permute(1, 2, 0).numpy()
            np.testing.assert_array_equal(chain[-1][1], whole)
        ends = np.stack([chain[-1][1] for chain in steps.chains]).astype(float)
        np.testing.assert_allclose(steps.mixture, np.tensordot(steps.weights, ends, 1), atol=0.51)
        np.testing.assert_allclose(steps.view, (1 - steps.m) * image + steps.m * steps.mixture, atol=1)


def test_the_first_draw_shows_chains_of_one_to_three_operations() -> None:
    first, _ = telling_plans((32, 32))
    assert sorted((first.operations[0] != operations.IDENTITY).sum(1)) == [1, 2, 3]
    assert first.weights.min() > 0.2


def test_the_figure_has_the_image_every_step_and_the_numbers(
    synthetic: Synthetic, tmp_path: Path, drawn: dict[str, Figure]
) -> None:
    synthetic.write()
    assert not list(draw_method(load(synthetic.folder, synthetic.data), tmp_path, "digits"))
    synthetic.write_arrays()
    [drawing] = draw_method(load(synthetic.folder, synthetic.data), tmp_path, "digits")
    [ax] = drawn[drawing.name].axes
    image = np.load(synthetic.data / "digits" / "test_images.npy")[0]
    plans = telling_plans((8, 8))
    steps, second = (steps_of(image, plan) for plan in plans)
    expected = [image, *(shown for chain in steps.chains for _, shown in chain), steps.mixture]
    expected += [image, steps.view, second.view]
    for shown, array in zip(ax.images, expected, strict=True):
        np.testing.assert_array_equal(shown.get_array(), array)
    said = " ".join(text.get_text() for text in ax.texts)
    for number, weight in enumerate(plans[0].weights[0], 1):
        assert f"$w_{number} = {weight:.2f}$" in said
    assert f"$m = {plans[0].m[0]:.2f}$" in said
