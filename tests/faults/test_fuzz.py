"""Whatever stands in a configuration, an image folder or a result file: success, or one clear line with exit 2."""

import copy
import io
import json
import shutil
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from augmix.suite.cli import main
from augmix.suite.config.experiment import Experiment
from augmix.suite.data.datasets import SPLITS, read
from augmix.suite.evaluate.evaluation import evaluate
from augmix.suite.train.training import train
from tests.checkout import TINY
from tests.faults.tally import NIGHTLY, tried

TIMES = 10 if NIGHTLY else 1


def examples(count: int) -> Callable[[Any], Any]:
    """So many examples in a test run, ten times as many in a night; Hypothesis keeps no files."""
    checks = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]
    return settings(max_examples=TIMES * count, deadline=None, database=None, suppress_health_check=checks)


def outcome(fault: str, *arguments: str) -> int:
    """The status of a command, after checking that it is 0, or 2 with one line; noted in the tally."""
    out, error = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(error):
        status = main(arguments)
    # A word on files that systems leave among images is no error.
    said = "".join(line for line in error.getvalue().splitlines(True) if not line.startswith("left out "))
    tried(fault, 1, lost=status not in (0, 2))
    assert status in (0, 2), said
    if status == 2:
        assert said.startswith(f"augmix {arguments[0]}: error: ")
        assert said.count("\n") == 1, said
        assert out.getvalue() == ""
    return status


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.dates()
words = st.sampled_from(["name", "preset", "digits", "augmix", "fog", "0", "training", "../..", "a b", "\n", "ü", ""])
values = st.recursive(
    scalars | words,
    lambda children: (
        st.lists(children, max_size=3) | st.dictionaries(words | st.text(max_size=5), children, max_size=3)
    ),
    max_leaves=6,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every position in a tree of mappings and lists but its root."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, child in items for place in ((*path, key), *places(child, (*path, key)))]


@st.composite
def configurations(draw: st.DrawFn) -> str:
    """The text of a configuration with some of its values replaced, dropped or added, or some of its letters."""
    config = copy.deepcopy(TINY)
    for _ in range(draw(st.integers(1, 2))):
        if not (positions := places(config)):
            break
        *path, key = draw(st.sampled_from(positions))
        parent: Any = config
        for step in path:
            parent = parent[step]
        match draw(st.sampled_from(["replace", "drop", "add"])):
            case "replace":
                parent[key] = draw(values)
            case "drop":
                del parent[key]
            case "add" if isinstance(parent, dict):
                parent[draw(st.text(max_size=8) | words)] = draw(values)
    text = yaml.safe_dump(config, sort_keys=False, allow_unicode=draw(st.booleans()))
    if draw(st.booleans()):
        at = draw(st.integers(0, len(text)))
        text = text[:at] + draw(st.text(max_size=4) | words | st.sampled_from("{}[]:&*!|>%@`-")) + text[at + 1 :]
    return text


@examples(100)
@given(text=configurations())
def test_configurations(text: str, tmp_path: Path) -> None:
    config = tmp_path / "fuzz.yaml"
    config.write_text(text, encoding="utf-8", errors="replace")
    outcome("a configuration with changed values or letters", "status", "--config", str(config))


def picture(form: str, side: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full((side, side + 3, 3), 128, np.uint8)).convert("P" if form == "GIF" else "RGB").save(
        buffer, form
    )
    return buffer.getvalue()


PICTURES = {form: picture(form, side) for form, side in (("PNG", 32), ("JPEG", 9), ("BMP", 3), ("GIF", 40))}
names = st.sampled_from(["a.png", "b.jpg", ".DS_Store", "ü.bmp", "-rf", "a b.gif", "dangling", "folder"])
contents = st.sampled_from(list(PICTURES.values())) | st.binary(max_size=40)


@examples(50)
@given(
    files=st.dictionaries(
        st.tuples(st.sampled_from(SPLITS), st.sampled_from(["cat", "dog"]), names),
        st.tuples(contents, st.integers(0, 99)),
    ),
    side=st.sampled_from([8, 32, 0, -1, 2000, True, "32"]),
)
def test_image_folders(files: dict[Any, Any], side: Any, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path, ignore_errors=True)
    source, prepared = tmp_path / "source", tmp_path / "prepared"
    source.mkdir(parents=True)
    for split in SPLITS:
        for name in ("cat", "dog"):
            (source / split / name).mkdir(parents=True)
            (source / split / name / "0.png").write_bytes(PICTURES["PNG"])
    for (split, name, file), (content, cut) in files.items():
        path = source / split / name / file
        if file == "dangling":
            path.symlink_to("nowhere")
        elif file == "folder":
            path.mkdir()
        else:
            path.write_bytes(content[: -cut or None] if cut > 60 else content)
    options = {"folder": str(source), "side": side}
    request = {"loader": "image_folder", "options": options, "subset": {"train": None, "test": None}}
    status = outcome(
        "a folder of images, some damaged", "prepare", "--settings", json.dumps(request), "--output", str(prepared)
    )
    if status == 0:
        assert all(len(read(prepared, split).images) >= 2 for split in SPLITS)
    else:
        assert not prepared.exists()


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory, made_testsets: Path) -> tuple[str, Path]:
    """The settings of a small experiment, and its results with one evaluated run."""
    folder = tmp_path_factory.mktemp("fuzz")
    experiment = Experiment(
        {
            **copy.deepcopy(TINY),
            "experiment": "fuzz",
            "methods": ["standard"],
            "testsets": {"C": {"shifts": ["fog"]}, "P": {"shifts": ["tilt"], "images": 10}},
            "folders": {"data": str(made_testsets), "results": str(folder)},
        }
    )
    [run] = experiment.runs
    train(run.training, experiment.folder / run.path)
    evaluate(run.evaluation, experiment.folder / run.path)
    return json.dumps(experiment.config), folder


RESULTS = [
    "config.yaml", "provenance.json", "predictions.json", "history.csv", "model.pt", "checkpoint.pt", "progress.json",
    "predictions/clean.npz", "predictions/C.npz", "predictions/P.npz",
]  # fmt: skip


@examples(50)
@given(
    name=st.sampled_from(RESULTS),
    change=st.sampled_from(["cut", "flip", "insert", "replace", "remove", "folder"]),
    share=st.floats(0, 1),
    content=st.binary(min_size=1, max_size=60)
    | st.text(max_size=20).map(str.encode)
    | values.map(repr).map(str.encode),
)
def test_result_files(
    name: str, change: str, share: float, content: bytes, evaluated: tuple[str, Path], tmp_path: Path
) -> None:
    config, results = evaluated
    shutil.rmtree(tmp_path, ignore_errors=True)
    shutil.copytree(results, tmp_path)
    damaged = tmp_path / "fuzz/digits/smallnet/standard/seed0" / name
    data = damaged.read_bytes()
    at = int(share * (len(data) - 1))
    damaged.unlink()
    match change:
        case "cut":
            damaged.write_bytes(data[:at])
        case "flip":
            damaged.write_bytes(data[:at] + bytes([data[at] ^ 255]) + data[at + 1 :])
        case "insert":
            damaged.write_bytes(data[:at] + content + data[at:])
        case "replace":
            damaged.write_bytes(content)
        case "folder":
            damaged.mkdir()
    requested = config.replace(str(results), str(tmp_path))
    status = outcome("a damaged result file", "collect", "--settings", requested)
    metrics = tmp_path / "fuzz/metrics.csv"
    assert metrics.exists() == (status == 0)
    if status == 0:
        assert metrics.read_text().endswith("\n")
    assert not list(tmp_path.glob("**/*.tmp"))
