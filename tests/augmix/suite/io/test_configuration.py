"""Strict YAML: what is read, and that every complaint is one line with its place."""

from pathlib import Path

import pytest

from augmix.errors import UserError
from augmix.registry import nearest
from augmix.suite.io.configuration import merge, read


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_scalars_follow_yaml_1_2(tmp_path: Path) -> None:
    text = "rate: 1e-4\nanswer: no\ncount: 010\nflag: true\nnothing: ~\nname: 1.2.3\ndate: 2020-01-01\nsmall: -.5\n"
    config, _ = read(write(tmp_path, "a.yaml", text))
    assert config == {
        "rate": 1e-4, "answer": "no", "count": 10, "flag": True, "nothing": None, "name": "1.2.3",
        "date": "2020-01-01", "small": -0.5,
    }  # fmt: skip
    assert isinstance(config["count"], int)


def test_lines_are_those_of_the_keys(tmp_path: Path) -> None:
    _, lines = read(write(tmp_path, "a.yaml", "a: 1\nb:\n  - x\n  - c: 2\n"))
    assert lines[("b", 1, "c")].endswith("a.yaml:4")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a: 1\nb: 2\na: 3\n", ":3: key 'a' is given twice"),
        ("a: [1, 2\n", "not valid YAML"),
        ("a: .nan\n", ":1: a must be a finite number"),
        ("- 1\n", "expected a mapping of settings"),
        ("a: \x00\n", "not valid YAML"),
        ("1: a\n", ":1: key 1 must be a name"),
        ("extends: missing.yaml\n", "missing.yaml does not exist"),
        ("extends: a.yaml\n", "goes round in a circle"),
        ("extends: [a]\n", "takes the name of one YAML file"),
        ("", "a.yaml is empty"),
        ("# of comments alone\n", "a.yaml is empty"),
    ],
)
def test_faults_are_one_line(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(UserError) as caught:
        read(write(tmp_path, "a.yaml", text))
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("encoding", "line"), [("latin-1", 2), ("utf-16", 1)])
def test_other_encodings_are_refused_by_line(tmp_path: Path, encoding: str, line: int) -> None:
    (tmp_path / "a.yaml").write_bytes("a: 1\ntitle: café\n".encode(encoding))
    with pytest.raises(UserError, match=rf"a\.yaml:{line}: not UTF-8; save the configuration in that encoding"):
        read(tmp_path / "a.yaml")


def test_extends_merges_mappings_and_replaces_lists(tmp_path: Path) -> None:
    write(tmp_path, "base.yaml", "a: {x: 1, y: 2}\nb: [1, 2]\n")
    config, lines = read(write(tmp_path, "top.yaml", "extends: base.yaml\na: {y: 3}\nb: [4]\n"))
    assert config == {"a": {"x": 1, "y": 3}, "b": [4]}
    assert lines[("a", "x")].endswith("base.yaml:1")
    assert lines[("a", "y")].endswith("top.yaml:2")


def test_an_inherited_data_set_can_be_left_out(tmp_path: Path) -> None:
    write(tmp_path, "base.yaml", "datasets: {digits: {loader: digits}, other: {loader: digits}}\n")
    config, _ = read(write(tmp_path, "top.yaml", "extends: base.yaml\ndatasets: {digits: null, own: null}\n"))
    assert config == {"datasets": {"other": {"loader": "digits"}, "own": None}}  # the schema refuses the last
    config, _ = read(write(tmp_path, "list.yaml", "extends: base.yaml\ndatasets: [digits]\n"))
    assert config == {"datasets": ["digits"]}


def test_a_missing_file_names_its_nearest_neighbour(tmp_path: Path) -> None:
    write(tmp_path, "digits.yaml", "a: 1\n")
    with pytest.raises(UserError, match=r"digit\.yaml does not exist; did you mean 'digits\.yaml'"):
        read(tmp_path / "digit.yaml")
    with pytest.raises(UserError, match=r"nope\.yaml does not exist; valid: digits\.yaml"):
        read(tmp_path / "nope.yaml")


def test_merge_leaves_its_arguments_alone() -> None:
    base = {"a": {"x": 1}}
    assert merge(base, {"a": {"y": 2}}) == {"a": {"x": 1, "y": 2}}
    assert base == {"a": {"x": 1}}


def test_nearest() -> None:
    assert nearest("gausian_noise", ["gaussian_noise", "fog"]) == "did you mean 'gaussian_noise'?"
    assert nearest("zzz", ["b", "a", "b"]) == "valid: a, b"
    assert nearest("mine", ["imagenet", "digits"]) == "valid: digits, imagenet"
