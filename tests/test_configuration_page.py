"""The reference of the YAML: config/README.md is what the command writes, and says something of every key."""

import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from augmix.suite.config.schema import schema
from docs import generated
from docs.generated import CONFIGURATION, commands, configuration, tracked


def test_the_page_is_up_to_date() -> None:
    assert CONFIGURATION.read_text(encoding="utf-8") == configuration(), "run `python -m docs.generated`"


def test_the_repositorys_configurations_are_listed_and_ones_own_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not (ours := tracked("config", ending=".yaml")):
        pytest.skip("needs a clone and git, which tell the repository's configurations from one's own")
    assert {name for name in ours if f"| `{name}.yaml` |" not in configuration()} == set()
    (tmp_path / "config").mkdir()
    for name in ("quick", "own"):
        (tmp_path / f"config/{name}.yaml").write_text("# A trial.\n", encoding="utf-8")
    page = tmp_path / "config/README.md"
    page.write_text("| file | what it is |\n| `quick.yaml` | Of an archive without git. |\n", encoding="utf-8")
    monkeypatch.setattr(generated, "CHECKOUT", tmp_path)
    monkeypatch.setattr(generated, "CONFIGURATION", page)
    text = configuration()
    assert "| `quick.yaml` | A trial. |" in text
    assert "own.yaml" not in text
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    subprocess.run(["git", "-C", tmp_path, "add", "config/own.yaml"], check=True)
    assert "| `own.yaml` | A trial. |" in configuration()


def undescribed(place: str, node: Mapping[str, Any]) -> Iterator[str]:
    """The keys of a schema that have no words of their own."""
    for key, child in node.get("properties", {}).items():
        if "description" not in child:
            yield f"{place}.{key}"
        yield from undescribed(f"{place}.{key}", child)
    for inner in (node.get("items"), node.get("additionalProperties")):
        if isinstance(inner, Mapping):
            yield from undescribed(place, inner)


def test_every_key_is_described() -> None:
    whole = schema()
    places = [("", whole), *whole["$defs"].items()]
    assert [key for place, node in places for key in undescribed(place, node)] == []


def test_the_page_has_every_key_and_kind() -> None:
    text = configuration()
    for key in ("`experiment`", "`weight_decay`", "`test`", "### kind: adversarial", "`epsilon`", "`quick.yaml`"):
        assert key in text
    assert not re.search(r"\|  \|$", text, re.MULTILINE), "a key without words"
    assert "| `epochs` | a whole number, ≥ 1, ≤ 100000 | `100` |" in text


def test_the_page_of_commands_has_every_command() -> None:
    text = commands()
    assert "## augmix reproduce" in text
    assert "--retrain" in text
