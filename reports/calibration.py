"""The table of calibration: every measure beside the headlines, and the noise floor of the RMS calibration error."""

from collections.abc import Iterator, Sequence

from augmix.suite.evaluate.measures import MEASURES, Measure, measures_of
from augmix.suite.testsets.base import TestSet
from reports.archives import noise_floor
from reports.evidence import compared_cells
from reports.layout import Row, Table, blocks, framed, method_columns
from reports.loaded import BINS, Family, Results
from reports.quantities import POOLED, Cell, Place, Quantity, overall
from reports.words import enumerated

FLOOR = "Noise floor of it"


def secondary(results: Results) -> Iterator[tuple[Measure, Family, Quantity]]:
    """Every measure beside the headlines, on every test set that has it: over its shifts, and pooled."""
    for measure in MEASURES.values():
        for family in results.families:
            if measure.name in measures_of(family.first)[1:]:
                over = overall(family.first, measure.name)
                pooled = Quantity(family.name, POOLED, measure.name)
                yield from ((measure, family, found) for found in (over, pooled) if found and results.has(found))


def calibration_table(results: Results) -> Table:
    """Calibration and the other measures beside the headlines, with what chance alone makes of them."""
    found = list(secondary(results))
    labels = {
        quantity: f"{measure.title}, {family.first.title}" + (" pooled" if quantity.shift == POOLED else "")
        for measure, family, quantity in found
    }
    rows = []
    for dataset, architecture, block in blocks(results, overall=True):
        for quantity, label in labels.items():
            if results.has(quantity, dataset):
                cells = compared_cells(results, dataset, architecture, quantity)
                rows.append(Row((dataset, architecture, label), block, label, cells))
                rows += _floors(results, dataset, architecture, quantity, label, block)
    notes = [
        f"{enumerated(titles)}: the mean over {over}; pooled: over all images at once."
        for over, titles in _averaged([family.first for _, family, _ in found]).items()
    ]
    if any(row.label.startswith(FLOOR) for row in rows):
        notes.append(
            f"{FLOOR}: the RMS calibration error that chance gives on average to a perfectly calibrated net with the "
            "confidences of the method's first run; a figure near it shows no miscalibration."
        )
    cells = framed(["dataset", "architecture", "measure"], method_columns(results), rows)
    measures = list(dict.fromkeys(measure for measure, _, _ in found))
    caption = f"Calibration: {enumerated([f'{m.phrase} ({m.unit})' for m in measures])}" if measures else "Calibration"
    return Table("calibration", caption, cells, "row", notes=(*notes, *_too_few_bins(results)))


def _floors(
    results: Results, dataset: str, architecture: str, quantity: Quantity, label: str, block: str
) -> Iterator[Row]:
    """The RMS calibration error that chance alone makes, where the predictions are at hand."""
    if quantity.measure.name != "rms_calibration":
        return
    floors = [noise_floor(results, Place(dataset, architecture, m.name), quantity) for m in results.methods]
    if any(floor is not None for floor in floors):
        title = f"{FLOOR}, {label.rpartition(', ')[2]}"
        cells = [Cell(floor, None, 1, 1, "" if floor else "–", quantity.measure) for floor in floors]
        yield Row((dataset, architecture, title), block, title, cells)


def _averaged(testsets: Sequence[TestSet]) -> dict[str, list[str]]:
    """The titles of the test sets that have a mean, by what it is over: `corruptions and severities`."""
    found: dict[str, list[str]] = {}
    for testset in testsets:
        if testset.entering:
            titles = found.setdefault(f"{testset.noun}s{' and severities' if testset.levels > 1 else ''}", [])
            if testset.title not in titles:
                titles.append(testset.title)
    return found


def _too_few_bins(results: Results) -> Iterator[str]:
    """The measures that are left out where they would rest on few bins."""
    for measure in MEASURES.values():
        absent = [
            results.title_of(dataset, testset)
            for dataset in results.datasets
            for testset in results.testsets[dataset]
            if measure.bins and measure.name in measures_of(testset) and results.shifts(dataset, testset)
            if (quantity := overall(testset, measure.name)) and not results.has(quantity, dataset)
        ]
        if absent:
            yield (
                f"On {enumerated(absent)} the {measure.phrase} is left out where "
                f"it would rest on fewer than {BINS} bins of {measure.bins} images."
            )
