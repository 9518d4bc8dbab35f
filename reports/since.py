"""Methods since AugMix: does the order that their authors published hold in our runs?"""

from collections import Counter
from typing import NamedTuple

from reports.evidence import contrasts
from reports.layout import Answer, Column, Row, Table, framed
from reports.loaded import Results
from reports.names import architecture_title
from reports.quantities import MCE, Place
from reports.reproduction import Ordered, ends
from reports.significance import overall_architecture
from reports.words import count_word, difference_in_words, enumerated, is_nothing, plural


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


def since(results: Results) -> Answer | None:
    """Each published order of a method and AugMix by mCE beside ours, as one family after Holm."""
    augmix = results.method("augmix")
    claimed = {claim.method: claim for claim in CLAIMS if results.method(claim.method) is not None}
    if augmix is None or not claimed:
        return None
    architecture, asked = overall_architecture(results), len(results.config["seeds"])
    titles = {method.name: method.title for method in results.methods}
    rows, text = [], []
    for dataset in results.datasets:
        reference = Place(dataset, architecture, augmix.name)
        pairs = [(reference._replace(method=name), reference) for name in claimed]
        where = f"{results.dataset_title(dataset)}, {architecture_title(architecture)}"
        found = [Ordered(*pair, one) for pair, one in contrasts(results, pairs, MCE, "published orders").items()]
        for one in found:
            name = one.better.method
            claim, title = claimed[name], titles[name]
            published, difference = (f"{claim.error:.1f}", f"{claim.augmix:.1f}"), one.compared.cell(asked)
            rows.append(Row((dataset, name), where, title, [*published, difference, one.verdict]))
            text.append(
                f"On {where}, {title}'s mCE, beside AugMix's, {'shows' if is_nothing(one.compared) else 'is'} "
                f"{difference_in_words(one.compared)}; published are {claim.error:.1f} beside {claim.augmix:.1f} "
                f"on CIFAR-10 ({claim.source})."
            )
        verdicts = Counter(one.verdict for one in found)
        kinds = [f"{count_word(count)} {ends(key, count)}" for key, count in verdicts.items()]
        if found:
            text.append(f"Of {plural(len(found), 'published order')}, {enumerated(kinds)} on {where}.")
    heads = [("Published", "published"), ("AugMix there", "augmix"), ("Here, minus AugMix", "difference")]
    columns = [Column("", *head) for head in [*heads, ("The order", "verdict")]]
    notes = (
        "Published: errors on CIFAR-10-C in percent, with other nets and recipes. Intervals are of each difference "
        "alone; an order holds or fails where Holm's correction passes it.",
    )
    table = Table("since", "Methods since AugMix by mCE (%)", framed(["dataset", "method"], columns, rows), notes=notes)
    return Answer("Do methods since AugMix surpass it, as published?", text, [table]) if rows else None
