"""Methods since AugMix: does the order that their authors published hold in our runs?"""

from collections import Counter
from typing import NamedTuple

from reports.evidence import compared_cells, contrasts
from reports.layout import Answer, Column, Row, Table, framed
from reports.loaded import Results
from reports.quantities import CLEAN_ERROR, MCE, Place
from reports.reproduction import VERDICTS, Ordered, ended
from reports.significance import would_be_found
from reports.words import plural, predicate


class Claim(NamedTuple):
    """A published comparison of a method with AugMix on CIFAR-10-C, both errors in percent."""

    method: str
    error: float
    augmix: float
    source: str


CLAIMS = (
    Claim("pixmix", 9.5, 12.4, "Hendrycks et al., CVPR 2022, WideResNet 40-4"),
    Claim("prime", 11.0, 11.4, "Modas et al., ECCV 2022, ResNet-18"),
    Claim("augmax", 9.3, 11.0, "Wang et al., NeurIPS 2021, WideResNet 40-2"),
    Claim("noisymix", 7.2, 11.2, "RobustBench, WideResNet 28-4, its AugMix 40-2"),
)
"""AugMax's and NoisyMix's are 100 minus a published accuracy on -C."""

BESIDE = ("label_smoothing", "randaugment", "trivialaugment", "pixmix", "ipmix", "prime", "noisymix", "augmax")
"""The methods that are held beside AugMix: later ones, and label smoothing, which is older (2016)."""


def since(results: Results) -> Answer | None:
    """Methods since AugMix, and label smoothing, beside it by mCE, as one family after Holm; the published orders."""
    augmix = results.method("augmix")
    others = [method for method in results.methods if method.name in BESIDE]
    claims = {claim.method: claim for claim in CLAIMS}
    if augmix is None or not claims.keys() & {method.name for method in others}:
        return None
    architecture, asked = results.overall_architecture, len(results.config["seeds"])
    rows, text = [], []
    for dataset in results.datasets:
        reference = Place(dataset, architecture, augmix.name)
        pairs = [(reference._replace(method=method.name), reference) for method in others]
        compared = contrasts(results, pairs, MCE)
        figures = [compared_cells(results, dataset, architecture, one) for one in (CLEAN_ERROR, MCE)]
        cells_of = {method.name: cells for method, *cells in zip(results.methods, *figures, strict=True)}
        where = results.where(dataset, architecture)
        verdicts: Counter[str] = Counter()
        for method in (augmix, *others):
            place, claim = reference._replace(method=method.name), claims.get(method.name)
            found, published, verdict = compared.get((place, reference)), "–", "–"
            if found is not None and claim is not None:
                published = f"{claim.error:.1f} beside {claim.augmix:.1f}"
                verdict = Ordered(place, reference, found).verdict
                verdicts[verdict] += 1
                text.append(
                    f"On {where}, {method.title}'s mCE, beside AugMix's, {predicate(found)}; published are {published} "
                    f"on CIFAR-10 ({claim.source})."
                )
            cells = [*cells_of[method.name], "–" if found is None else found.cell(asked), published, verdict]
            rows.append(Row((dataset, method.name), where, method.title, cells))
        text += would_be_found(compared.values(), "mCE")
        if verdicts.total() == 1:
            [verdict] = verdicts
            text.append(f"The one published order {VERDICTS[verdict]} on {where}.")
        elif verdicts:
            text.append(f"Of {plural(verdicts.total(), 'published order')}, {ended(verdicts)} on {where}.")
    heads = [("Clean error", "clean"), ("mCE", "mce"), ("mCE − AugMix", "difference")]
    columns = [Column("", *head) for head in [*heads, ("Published", "published"), ("That order", "verdict")]]
    notes = (
        "Published: a method's and AugMix's error on CIFAR-10-C, with other nets and recipes. An order holds or fails "
        "where the difference here passes Holm's correction over all methods of the table.",
    )
    cells = framed(["dataset", "method"], columns, rows)
    older = ", and label smoothing," if "label_smoothing" in {method.name for method in others} else ""
    table = Table("since", f"Methods since AugMix{older} beside it (%)", cells, "column", notes=notes)
    return Answer("Do methods since AugMix surpass it, as published?", text, [table]) if rows else None
