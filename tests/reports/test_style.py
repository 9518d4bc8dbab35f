"""Colours that everybody can tell apart."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import yaml

from augmix.registry import method_names
from reports.style import LOOKS

Array = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

# Machado, Oliveira and Fernandes (2009), at full severity; they apply to linear RGB.
VISIONS = {
    "normal": np.eye(3),
    "protanope": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranope": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
}
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
DEFAULT = list(LOOKS)[:12]
SINCE = Path(__file__).parents[2] / "config" / "since2020.yaml"


def lab(colour: str, vision: str = "normal") -> Array:
    """CIELAB coordinates (D65) of `#rrggbb` as somebody with that vision sees it."""
    rgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(VISIONS[vision] @ linear, 0, 1)
    relative = TO_XYZ @ seen / (0.95047, 1, 1.08883)
    x, y, z = np.where(relative > 216 / 24389, np.cbrt(relative), (24389 / 27 * relative + 16) / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def ciede2000(one: Array, other: Array) -> float:
    """The difference of two colours in CIELAB: Sharma, Wu and Dalal (2005)."""
    chroma = (np.hypot(*one[1:]) + np.hypot(*other[1:])) / 2
    stretch = 1.5 - 0.5 * np.sqrt(chroma**7 / (chroma**7 + 25.0**7))
    lightness, reds, blues = np.transpose([one, other])
    chromas = np.hypot(reds * stretch, blues)
    hues = np.degrees(np.arctan2(blues, reds * stretch)) % 360
    turn = (hues[1] - hues[0] + 180) % 360 - 180
    light, chroma, hue = lightness.mean(), chromas.mean(), (hues[0] + turn / 2) % 360
    angle = np.radians(hue)
    weight = (
        1
        - 0.17 * np.cos(angle - np.radians(30))
        + 0.24 * np.cos(2 * angle)
        + 0.32 * np.cos(3 * angle + np.radians(6))
        - 0.20 * np.cos(4 * angle - np.radians(63))
    )
    d_light = (lightness[1] - lightness[0]) / (1 + 0.015 * (light - 50) ** 2 / np.sqrt(20 + (light - 50) ** 2))
    d_chroma = (chromas[1] - chromas[0]) / (1 + 0.045 * chroma)
    d_hue = 2 * np.sqrt(chromas[0] * chromas[1]) * np.sin(np.radians(turn / 2)) / (1 + 0.015 * chroma * weight)
    twist = np.sin(np.radians(60 * np.exp(-(((hue - 275) / 25) ** 2)))) * 2 * np.sqrt(chroma**7 / (chroma**7 + 25.0**7))
    return float(np.sqrt(d_light**2 + d_chroma**2 + d_hue**2 - twist * d_chroma * d_hue))


@pytest.mark.parametrize(
    ("one", "other", "difference"),
    [
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, 0, 0), (50, -1, 2), 2.3669),
        ((50, 2.5, 0), (50, 0, -2.5), 4.3065),
        ((50, 2.5, 0), (73, 25, -18), 27.1492),
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
        ((2.0776, 0.0795, -1.135), (0.9033, -0.0636, -0.5514), 0.9082),
    ],
)
def test_differences_are_the_published_ones(one: Array, other: Array, difference: float) -> None:
    assert ciede2000(np.array(one, float), np.array(other, float)) == pytest.approx(difference, abs=5e-5)


def test_every_method_that_ships_has_a_look_of_its_own() -> None:
    assert set(LOOKS) <= set(method_names(["baselines", "ablations"]))
    assert len({look[1:] for look in LOOKS.values()}) == len(LOOKS)


@pytest.mark.parametrize("vision", VISIONS)
def test_any_two_methods_are_told_apart(vision: str) -> None:
    seen = {name: lab(look.colour, vision) for name, look in LOOKS.items()}
    apart = {pair: ciede2000(seen[pair[0]], seen[pair[1]]) for pair in combinations(LOOKS, 2)}
    assert min(apart.values()) > 8, min(apart, key=apart.__getitem__)
    assert min(apart[pair] for pair in combinations(DEFAULT, 2)) > 10
    assert apart["standard", "augmix"] > 25


def test_methods_of_an_experiment_are_told_apart_in_grey_print() -> None:
    """Those with the same hatch differ in lightness; every one has a marker of its own."""
    since = yaml.safe_load(SINCE.read_text(encoding="utf-8"))["methods"]
    for names in (DEFAULT, since):
        assert len({LOOKS[name].marker for name in names}) == len(names)
    lightness = {name: lab(LOOKS[name].colour)[0] for name in {*DEFAULT, *since}}
    for one, other in combinations(lightness, 2):
        if LOOKS[one].hatch == LOOKS[other].hatch:
            assert abs(lightness[one] - lightness[other]) > 4, (one, other)
