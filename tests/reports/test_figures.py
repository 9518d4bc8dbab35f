"""Figures that are there, that can be read, and that show what they should."""

from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.container import BarContainer
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from augmix.corruptions import CORRUPTIONS
from reports import figures, samples, style
from reports.figures import _method_legend, draw_plots, panels_of, spread
from reports.loaded import load
from reports.quantities import Cell
from reports.samples import augmix_views, draw_samples
from reports.style import WIDTH
from tests.reports.synthetic import FOURIER, NATURAL, Synthetic

TWELVE = (
    "standard", "cutout", "mixup", "cutmix", "autoaugment", "adversarial", "augmix", "no_jsd", "no_mixing", "kl_only",
    "single_chain", "random_autoaugment",
)  # fmt: skip


def extents(texts: list[Text], figure: Figure) -> list[Bbox]:
    renderer = FigureCanvasAgg(figure).get_renderer()
    # Text.get_window_extent: an annotation's own would count its leader line in.
    return [Text.get_window_extent(text, renderer) for text in texts if text.get_text() and text.get_visible()]


def test_a_figure_is_a_png_a_pdf_and_an_svg_without_dates(synthetic: Synthetic, tmp_path: Path) -> None:
    synthetic.evaluated = ("clean",)
    synthetic.calibrated = False
    synthetic.write()
    (training,) = draw_plots(load(synthetic.folder, synthetic.data), tmp_path / "figures", "digits")
    assert training.kind == "training"
    written = {path.name: path.read_bytes() for path in (tmp_path / "figures").iterdir()}
    assert set(written) == {f"{training.name}.{suffix}" for suffix in ("png", "pdf", "svg")}
    assert written[f"{training.name}.png"].startswith(b"\x89PNG")
    assert b"CreationDate" not in written[f"{training.name}.pdf"]
    assert b"<dc:date>" not in written[f"{training.name}.svg"]


def test_kinds_follow_what_was_evaluated(synthetic: Synthetic, tmp_path: Path, drawn: dict[str, Figure]) -> None:
    synthetic.architectures = ("allconv", "wideresnet")
    results = load(synthetic.write(), synthetic.data)
    kinds = [drawing.kind for drawing in draw_plots(results, tmp_path, "digits")]
    assert kinds == ["corruptions", "severity", "perturbations", "calibration", "training"]
    assert len(set(drawn)) == len(kinds)
    synthetic.evaluated = ("clean", "P")
    results = load(synthetic.write(), synthetic.data)
    kinds = [drawing.kind for drawing in draw_plots(results, tmp_path, "digits")]
    assert kinds == ["perturbations", "calibration", "training"]


def test_every_test_set_has_its_figures(synthetic: Synthetic, tmp_path: Path, drawn: dict[str, Figure]) -> None:
    """A second -C has its own; a test set with one shift has a bar of calibration and nothing to break down."""
    synthetic.testsets |= {"C_generated": synthetic.testsets["C"], "writers": NATURAL}
    results = load(synthetic.write(), synthetic.data)
    drawings = {drawing.kind: drawing for drawing in draw_plots(results, tmp_path, "digits")}
    assert list(drawings) == [
        "corruptions", "severity", "perturbations", "corruptions_C_generated", "severity_C_generated", "calibration",
        "training",
    ]  # fmt: skip
    assert drawings["severity_C_generated"].caption.startswith("Error on Digits-C generated against severity")
    labels = [text.get_text() for text in drawn["calibration_digits"].legends[0].get_texts()]
    assert labels == ["clean", "-C", "-C generated", "writers"]


def test_bars_are_as_high_as_the_errors(synthetic: Synthetic, tmp_path: Path, drawn: dict[str, Figure]) -> None:
    synthetic.seeds = (0,)
    list(draw_plots(load(synthetic.write(), synthetic.data), tmp_path, "digits"))
    shown = []
    for ax in drawn["corruptions_digits"].axes:
        shifts = [label.get_text().replace("\n", "_").lower() for label in ax.get_xticklabels()]
        shown += shifts
        bars = [container for container in ax.containers if isinstance(container, BarContainer)]
        for method, container in zip(("standard", "augmix", "no_jsd"), bars, strict=True):
            for shift, bar in zip(shifts, container.patches, strict=True):
                shift = shift.replace("mce", "mCE")
                value = synthetic.value(method=method, testset="C", shift=shift, severity="", metric="error")
                assert bar.get_height() == pytest.approx(100 * value)
    assert shown == [*CORRUPTIONS, "mce"]


@pytest.mark.parametrize("errorless", [False, True])
def test_small_test_errors_are_spread_out_and_none_at_all_has_a_place(
    synthetic: Synthetic, tmp_path: Path, drawn: dict[str, Figure], errorless: bool
) -> None:
    synthetic.write()
    if errorless:
        path = synthetic.folder / "digits/smallnet/augmix/seed0/history.csv"
        rows = [line.split(",") for line in path.read_text().splitlines()]
        rows[-1][5] = "0.0"
        path.write_text("\n".join(map(",".join, rows)) + "\n")
    list(draw_plots(load(synthetic.folder, synthetic.data), tmp_path, "digits"))
    error = drawn["training_digits"].axes[1]
    assert (error.get_ylim()[0] == pytest.approx(0, abs=1e-9)) == errorless
    low, middle, high = error.transScale.transform([(1, y) for y in (10, 20, 40)])[:, 1]
    assert high - middle == pytest.approx(middle - low)


def test_part_of_a_test_set_has_no_mean_bar_and_a_failed_method_is_named(
    synthetic: Synthetic, tmp_path: Path, drawn: dict[str, Figure]
) -> None:
    synthetic.status = {("augmix", 0): "diverged", ("augmix", 1): "diverged"}
    synthetic.write()
    synthetic.metrics = [row for row in synthetic.metrics if row["shift"] in ("clean", "fog", "snow")]
    synthetic.rewrite_metrics()
    list(draw_plots(load(synthetic.folder, synthetic.data), tmp_path, "digits"))
    figure = drawn["corruptions_digits"]
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["snow", "fog"]
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["Standard training", "AugMix (diverged)", "No JSD"]


def test_each_method_looks_the_same_in_every_report_and_like_no_other(synthetic: Synthetic) -> None:
    synthetic.evaluated, synthetic.seeds = ("clean",), (0,)
    synthetic.methods = [{"name": f"m{i}", "preset": f"m{i}"} for i in range(30)]
    looks = style.looks_of(load(synthetic.write(), synthetic.data))
    assert len({look.colour for look in looks.values()}) == 30
    nearly = [(look.colour[:6], look.marker, look.hatch) for look in looks.values()]
    assert len(set(nearly)) == 30  # to the eye, too
    synthetic.methods = [{"name": name, "preset": name} for name in ("m7", "no_jsd", "augmix")]
    others = style.looks_of(load(synthetic.write(), synthetic.data))
    assert others["AugMix"] == style.LOOKS["augmix"]
    assert others["No JSD"] == style.LOOKS["no_jsd"]
    assert {look.colour[:6] for look in (others["M7"], looks["M7"])} == {looks["M7"].colour[:6]}


def test_twelve_methods_on_four_architectures_are_legible(
    synthetic: Synthetic, tmp_path: Path, drawn: dict[str, Figure]
) -> None:
    """No label overlaps another, none leaves the page."""
    synthetic.methods = [{"name": name, "preset": name} for name in TWELVE]
    synthetic.architectures = ("allconv", "densenet", "wideresnet", "resnext")
    synthetic.seeds = (0,)
    results = load(synthetic.write(), synthetic.data)
    _, corruptions, perturbations = results.families
    list(figures._severity(results, tmp_path, "digits", corruptions))
    for family in (corruptions, perturbations):
        list(figures._shift_bars(results, tmp_path, "digits", family))
    list(figures._training(results, tmp_path, "digits"))
    assert len(drawn) == 4
    for name, figure in drawn.items():
        texts: list[Text] = [text for legend in figure.legends for text in legend.get_texts()]
        for ax in figure.axes:
            texts += [*ax.texts, ax.title, ax.xaxis.label]
            # Ticks beyond the limits are there but not drawn.
            (left, right), (low, high) = ax.get_xlim(), ax.get_ylim()
            texts += [text for text in ax.get_xticklabels() if left <= text.get_position()[0] <= right]
            texts += [text for text in ax.get_yticklabels() if low <= text.get_position()[1] <= high]
        boxes = extents(texts, figure)
        assert len(boxes) > 20
        for one, other in combinations(boxes, 2):
            both = Bbox.intersection(one, other)
            assert both is None or min(both.width, both.height) < 2, name
        page = figure.bbox
        assert all(b.x0 >= page.x0 - 1 and b.x1 <= page.x1 + 1 and b.y0 >= -1 for b in boxes), name


@given(st.lists(st.floats(-0.2, 1.2), max_size=12).map(sorted))
def test_labels_are_spread_in_order_and_within_the_axes(positions: list[float]) -> None:
    placed = spread(positions, 0.07)
    assert len(placed) == len(positions)
    assert all(b - a >= 0.07 - 1e-9 for a, b in pairwise(placed))
    assert all(-1e-9 <= position <= 1 + 1e-9 for position in placed)


def test_labels_with_room_stay_where_they_are() -> None:
    assert spread([0.1, 0.5, 0.9], 0.1) == pytest.approx([0.1, 0.5, 0.9])


@given(st.integers(1, 25), st.integers(1, 40))
def test_panels_keep_every_shift(shifts: int, methods: int) -> None:
    names = [str(i) for i in range(shifts)]
    panels = panels_of(names, methods)
    assert [name for panel in panels for name in panel] == names
    assert max(map(len, panels)) <= 11


def test_samples_show_one_image_at_every_severity_and_the_first_and_last_frame(
    synthetic: Synthetic, tmp_path: Path, drawn: dict[str, Figure]
) -> None:
    synthetic.write()
    synthetic.write_arrays(side=8)
    kinds = [d.kind for d in draw_samples(load(synthetic.folder, synthetic.data), tmp_path, "digits")]
    assert kinds == ["views", "corruption_sample", "perturbation_sample"]
    fog = np.load(synthetic.data / "digits-C" / "fog.npy")
    shown = next(ax for ax in drawn["corruption_sample_digits"].axes if ax.get_title("left") == "fog")
    strip = np.asarray(shown.images[0].get_array())
    for severity in range(5):
        np.testing.assert_array_equal(strip[:, 9 * severity : 9 * severity + 8], fog[6 * severity])
    tilt = np.load(synthetic.data / "digits-P" / "tilt.npy")
    shown = next(ax for ax in drawn["perturbation_sample_digits"].axes if ax.get_title("left") == "tilt")
    strip = np.asarray(shown.images[0].get_array())
    for place, frame in ((0, 0), (2, 3), (4, 6)):
        np.testing.assert_array_equal(strip[:, 9 * place : 9 * place + 8], tilt[0, frame])


def test_samples_of_a_natural_test_set(synthetic: Synthetic, tmp_path: Path, drawn: dict[str, Figure]) -> None:
    synthetic.testsets["writers"] = NATURAL
    synthetic.write()
    synthetic.write_arrays(side=8)
    images = np.random.default_rng(1).integers(256, size=(10, 8, 8, 3)).astype(np.uint8)
    (synthetic.data / "digits-writers").mkdir()
    np.save(synthetic.data / "digits-writers" / "test_images.npy", images)
    np.save(synthetic.data / "digits-writers" / "test_labels.npy", np.zeros(10, np.int64))
    drawings = list(draw_samples(load(synthetic.folder, synthetic.data), tmp_path, "digits"))
    assert drawings[-1].caption == "Digits-writers: some of its images."
    [strip] = drawn[drawings[-1].name].axes
    shown = np.asarray(strip.images[0].get_array())
    for place in range(5):
        np.testing.assert_array_equal(shown[:, 9 * place : 9 * place + 8], images[2 * place])


def test_samples_without_arrays_are_left_out(synthetic: Synthetic, tmp_path: Path) -> None:
    synthetic.write()
    assert not list(draw_samples(load(synthetic.folder, synthetic.data), tmp_path, "digits"))


def test_views_begin_with_the_image_and_are_seeded() -> None:
    images = np.random.default_rng(0).integers(256, size=(2, 16, 16, 3)).astype(np.uint8)
    rows = augmix_views(images)
    assert [row.shape for row in rows] == [(1 + samples.VIEWS, 16, 16, 3)] * 2
    for image, row, again in zip(images, rows, augmix_views(images), strict=True):
        np.testing.assert_array_equal(row[0], image)
        np.testing.assert_array_equal(row, again)
        assert any(not np.array_equal(view, image) for view in row[1:])


def test_a_legend_is_no_wider_than_its_figure(synthetic: Synthetic) -> None:
    names = ("standard", "adversarial", "random_autoaugment", "autoaugment", "patch_uniform", "stylized_imagenet")
    synthetic.methods = [{"name": name, "preset": name} for name in names]
    synthetic.write()
    figure = Figure(figsize=(WIDTH, 3), layout="constrained")
    _method_legend(load(synthetic.folder, synthetic.data), figure, [Cell(None, None, 0, 1, "diverged")] * len(names))
    figure.draw_without_rendering()
    [legend] = figure.legends
    box = legend.get_window_extent()
    assert 0 <= box.x0 < box.x1 <= figure.bbox.width


def test_a_heat_map_has_each_wave_at_its_two_places(
    synthetic: Synthetic, tmp_path: Path, drawn: dict[str, Figure]
) -> None:
    synthetic.testsets["fourier"] = FOURIER
    synthetic.images = 40
    results = load(synthetic.write(), synthetic.data)
    [drawing] = [d for d in draw_plots(results, tmp_path, "digits") if d.kind == "waves_fourier"]
    assert drawing.caption.startswith(
        "Error on Digits-fourier with SmallNet by the wave that is added: rows and columns"
    )
    figure = drawn[drawing.name]
    maps = {ax.get_title(): ax.images[0] for ax in figure.axes if ax.images}
    assert len(maps) == 3
    image = maps["AugMix"]
    grid = np.asarray(image.get_array())
    assert grid.shape == (5, 5)
    assert image.get_clim() == (0, 100)
    testset = results.testsets["digits"][-1]
    for (i, j), shift in testset.cells.items():
        values = [
            row["value"] for row in synthetic.metrics
            if (row["method"], row["shift"], row["metric"], row["severity"]) == ("augmix", shift, "error", "")
        ]  # fmt: skip
        assert len(values) == 2
        assert grid[i + 2, j + 2] == pytest.approx(100 * np.mean(values))
    assert np.array_equal(grid, grid[::-1, ::-1])
    left, right, bottom, top = image.get_extent()
    assert (left, right, bottom, top) == (-2.5, 2.5, 2.5, -2.5)


def test_forty_methods_have_a_legend_on_the_page_in_place_of_labels(
    synthetic: Synthetic, tmp_path: Path, drawn: dict[str, Figure]
) -> None:
    synthetic.methods = [{"name": f"m{i}", "preset": f"m{i}"} for i in range(40)]
    synthetic.evaluated, synthetic.seeds = ("clean",), (0,)
    list(figures._training(load(synthetic.write(), synthetic.data), tmp_path, "digits"))
    [figure] = drawn.values()
    [legend] = figure.legends
    assert not [text for ax in figure.axes for text in ax.texts]
    assert [text.get_text() for text in legend.get_texts()] == [f"M{i}" for i in range(40)]
    box, top = legend.get_window_extent(), max(ax.get_window_extent().y1 for ax in figure.axes)
    assert top < box.y0 < box.y1 <= figure.bbox.y1
    assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1
