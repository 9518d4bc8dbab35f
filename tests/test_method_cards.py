"""The methods' cards are what the command writes, all of one shape, and say whose every default is."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from augmix.registry import method_names
from docs import cards, views
from docs.generated import tracked
from reports.style import LOOKS

SECTIONS = (
    "## Parameters", "## Cost", "## When it helps and hurts", "## What differs from its authors' code",
)  # fmt: skip


def test_the_pages_are_up_to_date() -> None:
    for path, text in cards.pages().items():
        assert path.read_text(encoding="utf-8") == text, "run `python -m docs.generated`"
    assert {path.stem for path in cards.CARDS.glob("*.md")} == set(cards.NAMES)


def test_every_method_of_the_repository_has_its_cost_its_card_and_its_look() -> None:
    ours = tracked("augmix/methods", *cards.PACKAGES, ending=".py")
    if not ours:
        pytest.skip("needs a clone and git, which tell the repository's methods from one's own")
    for name in ours.intersection(method_names(cards.PACKAGES)):
        assert name in cards.NAMES, f"{name} has no card; CONTRIBUTING.md says how one is made"
        assert name in LOOKS, f"{name} has no look in reports/style.py"


def test_a_method_of_ones_own_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "own_methods").mkdir()
    (tmp_path / "own_methods/inverted.py").write_text("def method(): ...\n", encoding="utf-8")
    code = (
        "from augmix import registry\nnames = registry.method_names\n"
        "registry.method_names = lambda packages: names([*packages, 'own_methods'])\n"
        "from docs import cards\nassert 'inverted' in cards.method_names(cards.PACKAGES)\n"
        "assert 'inverted' not in cards.overview()\n"
    )
    subprocess.run(
        [sys.executable, "-c", code], check=True, cwd=cards.CHECKOUT, env={**os.environ, "PYTHONPATH": str(tmp_path)}
    )


@pytest.mark.parametrize("name", cards.NAMES)
def test_a_card_has_all_sections_and_every_default_its_source(name: str) -> None:
    known, text = cards.documented(name), cards.card(name)
    assert [text.count(f"\n{section}\n") for section in SECTIONS] == [1] * len(SECTIONS)
    assert text.count(f"]({name}.jpg)") == (name not in views.UNDRAWN)
    assert known.paragraphs
    assert known.departures
    assert set(known.described) == set(known.defaults), "the section Args has the parameters of the signature"
    for meaning, source in known.described.values():
        assert meaning.endswith(".")
        assert source.endswith(".")


@pytest.mark.parametrize("name", cards.NAMES)
def test_a_parameter_that_is_as_in_another_method_has_its_default(name: str) -> None:
    for key, described in cards.documented(name).described.items():
        for other in ("augmix", "pixmix"):
            known = cards.documented(other)
            if described == known.described.get(key):
                assert cards.documented(name).defaults[key] == known.defaults[key]


def test_a_default_without_a_source_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "made.py"
    file.write_text(
        '"""Made: a trial.\n\nA second\nsentence.\n\nDepartures:\n    - One\n      more.\n    - Two.\n"""\n'
        "def method(*, size: float = 8 / 255, full: bool = False, folder: str):\n"
        '    """A view.\n\n    Args:\n        size: A side. Source: ours:\n            a guess.\n'
        '        full, folder: Nothing.\n    """\n'
    )
    monkeypatch.setattr(cards, "method_file", lambda name, packages: file)
    known = cards.documented("made_for_this_test")
    assert known.paragraphs == ["A second sentence."]
    assert known.departures == ["One more.", "Two."]
    assert known.defaults == {"size": "8 / 255", "full": "false", "folder": "required"}
    assert known.described == {
        "size": ("A side.", "ours: a guess."),
        "full": ("Nothing.", ""),
        "folder": ("Nothing.", ""),
    }


def test_the_extremes_are_the_significant_ones() -> None:
    changes = {"fog": -9.0, "frost": -1.0, "snow": -4.0, "contrast": -7.0, "pixelate": 2.0, "brightness": 5.0}
    rows = [
        {"figure": name, "difference": str(value), "decimals": "1", "low": "", "high": ""}
        | {"significant": str(name != "pixelate").lower()}
        for name, value in changes.items()
    ]
    assert cards.extremes(rows) == (
        r"Of the 6 corruptions of -C, errors fall most under fog (−9.0\*), contrast (−7.0\*) and snow (−4.0\*); "
        r"they rise most under brightness (+5.0\*)."
    )
    assert cards.extremes(rows[:4]).endswith("; they rise significantly under none.")
    assert cards.extremes(rows[4:5]) == "Of the 1 corruptions of -C, none changes the error significantly."


def test_pictures_show_what_the_net_sees() -> None:
    for name in ("standard", "cutout", "augmix"):
        drawn = views.picture(name)
        kept = np.asarray(Image.open(cards.CARDS / f"{name}.jpg"))
        assert kept.shape == drawn.shape
        assert np.abs(kept.astype(int) - drawn).mean() < 4, "run `python -m docs.views`"
    first, *others = views.seen("augmix", views.originals()[0])
    assert np.array_equal(first, views.originals()[0])
    assert len(others) == 2
    assert all((other != first).mean() > 0.3 for other in others)


def test_every_method_has_a_small_picture() -> None:
    pictures = {path.stem: path.stat().st_size for path in cards.CARDS.glob("*.jpg")}
    assert set(pictures) == set(cards.NAMES) - set(views.UNDRAWN)
    assert sum(pictures.values()) < 1_500_000


def test_figures_on_a_part_of_a_data_set_do_not_stand_among_those_on_all_of_it() -> None:
    for name in ("standard", "augmix", "fmix"):
        for rows in cards.recorded(name).values():
            assert not {"fashion", "fashion_mnist"} <= {row["experiment"] for row in rows}
        assert sum("On Fashion-MNIST, SmallNet, thin (" in line for line in cards.card(name).splitlines()) == 2
