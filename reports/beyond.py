"""Questions beyond -C and -P: do methods help without texture or shape, on natural shifts, and after adaptation?"""

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr, ndtri, stdtrit

from reports.evidence import Compared, as_family, compared_cells, contrasts, interaction
from reports.layout import CONFIDENCE, Answer, Column, Row, Table, blocks, framed
from reports.loaded import Results
from reports.names import headline_phrase, headline_title, sentence, spaced
from reports.quantities import CLEAN_ERROR, Cell, Place, Quantity, headline_of
from reports.significance import would_be_found
from reports.words import differences_in_words, plural, predicate

FEWEST = 4
"""Methods that a line needs: it leaves two degrees of freedom."""
CLOSEST = 1e-3
"""Clean accuracies that lie closer on the probit scale, about .01 points, have no line."""


class Line(NamedTuple):
    """A method's accuracy on a shift beside the one that the line through all others expects."""

    beyond: float
    """Effective robustness in points: its accuracy minus the expected one."""
    interval: tuple[float, float]
    """The range in which that would lie for a method that is one of the others, with a chance of 95 %, in points."""
    others: int


def texture(results: Results) -> Answer | None:
    """Each method's error on images without their texture or shape, and AugMix's beside standard training's."""
    found = _asked(results, "texture")
    if not found:
        return None
    names = list(dict.fromkeys(name for _, name, _ in found))
    columns = [Column("", sentence(name), name.replace(" ", "_")) for name in names]
    rows = framed(["dataset", "architecture", "method"], columns, _rows(results, found, names))
    table = Table("texture", "Error without texture or without shape (%)", rows, "column")
    judged = _against_standard(results, found)
    caveat = (
        "Shuffled patches keep texture and lose shape, high-pass filters keep edges and lose areas, low-pass filters "
        "the reverse; silhouettes keep shape alone. Images whose cues conflict have the shape of one class and the "
        "texture of another, and are counted by either. A net that goes by texture less than another errs less where "
        "texture is gone, and no less where shape is."
    )
    return Answer("Does AugMix change what a net looks at?", [*judged, caveat], [table])


def adaptation(results: Results) -> Answer | None:
    """AugMix's gain before and after batch norms are adapted to the test images."""
    standard, augmix = results.method("standard"), results.method("augmix")
    if standard is None or augmix is None:
        return None
    pairs = [
        (dataset, beside, plain, adapted)
        for dataset, _, adapted in _asked(results, "adaptation")
        if (testset := results.named(dataset, adapted.testset)) is not None
        if (beside := results.named(dataset, testset.beside)) is not None
        if (plain := headline_of(beside)) is not None
    ]
    rows, text, said = [], [], []
    for (dataset, beside, plain, adapted), architecture in product(pairs, results.architectures):
        one, other = (Place(dataset, architecture, method.name) for method in (augmix, standard))
        where, phrase = results.where(dataset, architecture), headline_phrase(beside)
        gains = []
        for quantity, how in ((plain, "As trained"), (adapted, "Adapted")):
            gain = contrasts(results, [(one, other)], quantity).get((one, other))
            gains += [gain] if gain is not None else []
            cells = compared_cells(results, dataset, architecture, quantity, [other.method, one.method])
            difference = "–" if gain is None else gain.cell(len(results.config["seeds"]))
            keys = (dataset, architecture, quantity.testset)
            rows.append(Row(keys, f"{where}, {headline_title(beside)}", how, [*cells, difference]))
        if len(gains) == 2:
            text.append(
                f"On {where}, AugMix's {phrase}, beside that of standard training, {predicate(gains[0])}; with adapted "
                f"batch norms it {predicate(gains[1])}."
            )
            said.append((phrase, interaction(gains[1], gains[0])))
    for (phrase, _), more in zip(said, as_family(more for _, more in said), strict=True):
        text.append(f"The second difference in {phrase}, beside the first, {predicate(more)}.")
    columns = [Column("", standard.title, "standard"), Column("", augmix.title, "augmix")]
    columns.append(Column("", "AugMix − standard", "difference"))
    frame = framed(["dataset", "architecture", "testset"], columns, rows)
    table = Table("adaptation", "AugMix with batch norms adapted to the test images (%)", frame)
    return Answer("Does AugMix still help once batch norms are adapted?", text, [table]) if rows else None


def natural(results: Results) -> Answer | None:
    """Each method's error on natural shifts, and its accuracy beside the line of all other methods."""
    found = _asked(results, "natural")
    if not found:
        return None
    rows, text = [], []
    for (dataset, name, quantity), architecture in product(found, results.architectures):
        names = [method.name for method in results.methods]
        clean = [results.cell(Place(dataset, architecture, method), CLEAN_ERROR) for method in names]
        shifted = compared_cells(results, dataset, architecture, quantity, names)
        where = results.where(dataset, architecture)
        for i, method in enumerate(results.methods):
            line = effective_robustness(clean, shifted, i)
            cell = "–" if line is None else Cell(line.beyond, None, shifted[i].finished, shifted[i].asked)
            keys = (dataset, architecture, quantity.testset, method.name)
            rows.append(Row(keys, f"{where}: {name}", method.title, [clean[i], shifted[i], cell]))
            if method.preset == "augmix" and line is not None:
                text.append(_in_words(method.title, where, name, line))
    heads = [("Clean error", "clean"), ("Error on the shift", "shift"), ("Effective robustness", "beyond")]
    table = Table(
        "natural",
        "Errors on natural shifts (%), and accuracy beyond the line through the other methods (points)",
        framed(["dataset", "architecture", "testset", "method"], [Column("", *head) for head in heads], rows),
        notes=(
            "Effective robustness (Taori et al., NeurIPS 2020): the accuracy on the shift minus that expected from "
            "clean accuracy by the line through all other methods, both on a probit scale.",
        ),
    )
    judged = _against_standard(results, found)
    return Answer("Does AugMix help on natural shifts?", [*judged, *text], [table])


def effective_robustness(clean: Sequence[Cell], shifted: Sequence[Cell], own: int) -> Line | None:
    """One method's accuracy on a shift beside the line through all others; the cells are errors in percent.

    Accuracies are fitted on a probit scale (Taori et al., NeurIPS 2020); the interval is that of a prediction for one
    more method. None where fewer than four others have both figures, or have one clean accuracy.
    """
    known = [
        (1 - c.mean / 100, 1 - s.mean / 100, i == own)
        for i, (c, s) in enumerate(zip(clean, shifted, strict=True))
        if c.mean is not None and s.mean is not None
    ]
    mine = [(x, y) for x, y, is_own in known if is_own]
    if not mine:
        return None
    x, y = ndtri(np.clip([pair[:2] for pair in known if not pair[2]], 1e-4, 1 - 1e-4)).T.reshape(2, -1)
    if len(x) < FEWEST or np.ptp(x) < CLOSEST or np.ptp(y) < CLOSEST:
        return None
    at = ndtri(np.clip(mine[0][0], 1e-4, 1 - 1e-4))
    slope, base = np.polyfit(x, y, 1)
    spread = np.sqrt(np.sum((y - slope * x - base) ** 2) / (len(x) - 2))
    error = spread * np.sqrt(1 + 1 / len(x) + (at - x.mean()) ** 2 / np.sum((x - x.mean()) ** 2))
    expected, reach = slope * at + base, stdtrit(len(x) - 2, 0.975) * error
    low, middle, high = ndtr([expected - reach, expected, expected + reach])
    own_accuracy = np.clip(mine[0][1], 1e-4, 1 - 1e-4)
    return Line(100 * (own_accuracy - middle), (100 * (low - middle), 100 * (high - middle)), len(x))


def _in_words(title: str, where: str, name: str, line: Line) -> str:
    low, high = line.interval
    told = "outside" if not low <= line.beyond <= high else "within"
    return (
        f"On {where}, {title}'s accuracy on {name} is {abs(line.beyond):.1f} points "
        f"{'above' if line.beyond >= 0 else 'below'} the line through {plural(line.others, 'other method')}, {told} "
        f"the {CONFIDENCE} prediction interval of one more such method, {abs(low):.1f} points below to {high:.1f} "
        "above it."
    )


def _asked(results: Results, question: str) -> list[tuple[str, str, Quantity]]:
    """Each figure that belongs to a question: its data set, its name and itself, where some run has it."""
    found = []
    for dataset in results.datasets:
        for testset in results.testsets[dataset]:
            headline = headline_of(testset)
            if testset.question != question or headline is None:
                continue
            if question == "texture" and testset.entering:
                each = [(spaced(s), Quantity(testset.name, s, headline.metric)) for s in testset.shifts]
            else:
                each = [(testset.title, headline)]
            found += [(dataset, name, quantity) for name, quantity in each if results.has(quantity, dataset)]
    pairs = [(dataset, name) for dataset, name, _ in found]
    return [
        (dataset, name if pairs.count((dataset, name)) == 1 else f"{name} of {spaced(quantity.testset)}", quantity)
        for dataset, name, quantity in found
    ]


def _rows(results: Results, found: Sequence[tuple[str, str, Quantity]], names: Sequence[str]) -> list[Row]:
    """A row a method, a block a data set and architecture, a column a figure."""
    absent = Cell(None, None, 0, 0, "not run")
    rows = []
    for dataset, architecture, block in blocks(results):
        columns = {
            name: compared_cells(results, dataset, architecture, quantity)
            for known, name, quantity in found
            if known == dataset
        }
        for i, method in enumerate(results.methods if columns else ()):
            cells = [columns[name][i] if name in columns else absent for name in names]
            rows.append(Row((dataset, architecture, method.name), block, method.title, cells))
    return rows


def _against_standard(results: Results, found: Sequence[tuple[str, str, Quantity]]) -> list[str]:
    """AugMix minus standard training in each figure, as one family after Holm, in words."""
    standard, augmix = results.method("standard"), results.method("augmix")
    if standard is None or augmix is None:
        return []
    alone = [
        (results.where(dataset, architecture), name, one)
        for (dataset, name, quantity), architecture in product(found, results.architectures)
        for pair in [(Place(dataset, architecture, augmix.name), Place(dataset, architecture, standard.name))]
        for one in contrasts(results, [pair], quantity).values()
    ]
    judged = as_family(one for *_, one in alone)
    named: dict[str, list[tuple[str, Compared]]] = {}
    for (where, name, _), one in zip(alone, judged, strict=True):
        named.setdefault(where, []).append((f"on {name}", one))
    said = [
        f"On {where}, AugMix's error, beside that of standard training, is {sizes}, {significance}."
        for where, found_there in named.items()
        for significance, sizes in differences_in_words(found_there).items()
    ]
    return [*said, *would_be_found(judged, "these errors")]
