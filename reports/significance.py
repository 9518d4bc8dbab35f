"""The report's sentences on its statistics: what an interval covers, the families, what can be detected at all."""

from collections.abc import Iterable, Iterator

import numpy as np

from reports.evidence import Compared, Evidence, control_names, evidence, reasons
from reports.layout import CONFIDENCE, decimal
from reports.loaded import Results
from reports.names import headline_phrase
from reports.quantities import CLEAN_ERROR, MCE, Quantity
from reports.statistics.power import detectable_difference
from reports.words import STEPWISE, count_word, enumerated

WHOLE = 100
"""Points: no error is greater."""
DEFINED = (
    "A difference between two methods is that of their means over seeds. Its {confidence} interval says where it would "
    "lie with other seeds and other test images of the same kind: both are taken for samples, and all copies of an "
    "image are one. It does not cover another split, another machine or other training images."
)
PREDICTED = (
    "Of some runs the {why}: where an interval is over seeds alone, it says so, and is too narrow if there are few "
    "test images."
)


def headline_evidence(results: Results) -> Iterator[tuple[str, str, Quantity, Evidence]]:
    """Data set, phrase and quantity of each headline, with what is known of it over all architectures."""
    for dataset in results.datasets:
        for family, quantity in results.judged:
            testset = family.members.get(dataset)
            found = evidence(results, dataset, results.overall_architecture, quantity)
            if testset is not None and found is not None:
                yield dataset, headline_phrase(testset), quantity, found


def statistics_in_words(results: Results) -> list[str]:
    """The sentences that define what the report calls significant."""
    said = [DEFINED.format(confidence=CONFIDENCE)]
    controls = [results.titles[name] for name in control_names(results)]
    if len(results.methods) > 1:
        said.append("We call a difference significant where its interval excludes zero.")
    if len(results.methods) > 2 and controls:
        which = " and those with ".join(controls)
        own = " is a family of its own" if len(controls) == 1 else " are two families"
        said.append(
            f"In each figure the comparisons of all methods with {which}{own}, whose intervals hold all at once "
            f"(Bonferroni); a difference from {controls[0]} is told from the first. The contrasts of a question are "
            f"one family. {STEPWISE} Each interval holds by itself, the verdicts hold for all contrasts together."
        )
    found = list(headline_evidence(results))
    if len(results.methods) > 1:
        said.append(
            "A method that a table sets in bold may be the best: in a share of 95 % of experiments the true best is "
            "among them (Hsu). That test is one-sided, so it tells more apart than an interval does."
        )
    for dataset, phrase, _, known in found[:1]:
        where = f" on {results.dataset_title(dataset)}" if len(results.datasets) > 1 else ""
        said += _spread(known, f"the {phrase}{where}")
    if any(known.over_images and known.sample.counts.min() == 1 for *_, known in found):
        said.append("An interval over images alone is about these very nets: it says nothing of other seeds.")
    if why := reasons(results):
        said.append(PREDICTED.format(why=enumerated(why)))
    return said


def would_be_found(compared: Iterable[Compared], figure: str) -> list[str]:
    """A sentence on the differences in a figure that are not significant: how great a true one would be found."""
    least = [
        difference * one.measure.scale
        for one in compared
        if not one.significant and (difference := detectable_difference(one.difference)) is not None
    ]
    if not least:
        return []
    seen = [points for points in least if points <= WHOLE]
    span = " to ".join(dict.fromkeys(decimal(end, end, 1) for end in (min(seen), max(seen)))) if seen else ""
    true = f"a true one of {span} points" if seen else f"not even a true one of {WHOLE} points"
    others = f", and of some not even one of {WHOLE} points" if seen and len(seen) < len(least) else ""
    return [
        f"Where a difference in {figure} is not significant here, {true} would be found significant in four of five "
        f"such experiments{others}."
    ]


def _spread(known: Evidence, figure: str) -> list[str]:
    """How much a figure varies over seeds."""
    sample = known.sample
    usable = (sample.counts > 1) & (sample.figures > 0)
    if sample.counts.max() == 1:
        return ["Every method has one seed, so nothing is known of how the figures vary over seeds."]
    if not usable.any():
        return []
    shares = 100 * np.sqrt(sample.seed_variances[usable]) / sample.figures[usable]
    least, most = (f"{share:.1f}\u00a0%" for share in (shares.min(), shares.max()))
    return [
        f"How much a figure varies over seeds is learnt from the two methods' own seeds (Welch): few seeds cannot show "
        f"that the methods' spreads are alike. Of {figure}, the standard deviation over seeds is "
        f"{least if least == most else f'from {least} to {most}'} of the figure."
    ]


def detectable(results: Results) -> list[str]:
    """Sentences per data set: the least difference that this experiment would probably call significant."""
    if len(results.methods) < 2:
        return []
    said = []
    for dataset in results.datasets:
        on = f" on {results.dataset_title(dataset)}" if len(results.datasets) > 1 else ""
        found = [
            (pair, phrase, _farthest(known, pair.difference.reference))
            for name, phrase, quantity, known in headline_evidence(results)
            if name == dataset and quantity in (MCE, CLEAN_ERROR)
            for pair in [_widest(results, known)]
            if pair is not None
        ]
        amounts, unseen = [], []
        for pair, phrase, farthest in found:
            least = detectable_difference(pair.difference)
            if least is not None and least > farthest:
                unseen.append(phrase)
            elif least is not None:
                points = least * pair.measure.scale
                amounts.append(f"{decimal(points, points, pair.measure.decimals)} points of {phrase}")
        if amounts or unseen:
            counts = sorted({count for pair, _, _ in found for count in pair.difference.n_seeds})
            seeds = f"{enumerated([count_word(count) for count in counts])} seed{'' if counts == [1] else 's'} a method"
            between = f"between {results.titles[found[0][0].difference.reference]} and another method"
            same = "" if all(pair.over_images for pair, _, _ in found) else " on the same test images"
        if amounts:
            said.append(
                f"With {seeds}{on}, a true difference of {enumerated(amounts)} {between} would be found significant in "
                f"four of five such experiments{same}; smaller ones would be missed more often."
            )
        if unseen:
            said.append(
                f"With {seeds}{on}, no difference in {enumerated(unseen)} {between}, however large, would be found "
                f"significant in four of five such experiments{same}."
            )
        if found and not amounts and not unseen:
            said.append(
                f"With one seed of a method{on}, no difference from it can be found significant, however large."
            )
    return said


def _widest(results: Results, known: Evidence) -> Compared | None:
    """The comparison with the first control that is there whose standard error is largest."""
    for control in control_names(results):
        found = list(known.against(control).values())
        if found:
            return max(found, key=_error)
    return None


def _farthest(known: Evidence, reference: str) -> float:
    """The greatest difference from a method that there can be: from its figure to the end of the scale."""
    figure = float(known.sample.figures[known.sample.methods.index(reference)])
    return max(figure, known.measure.largest - figure)


def _error(compared: Compared) -> float:
    both = compared.difference.both
    return 0.0 if both is None else both.standard_error
