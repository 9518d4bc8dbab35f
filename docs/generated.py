"""The pages of the documentation that are made of the code: config/README.md, and the methods' cards (`docs/cards.py`).

`python -m docs.generated` writes them, without the configurations and methods that are the reader's own. The page of
the commands is made when the site is built (`docs/hooks.py`), and kept nowhere.
"""

import argparse
import json
import subprocess
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from augmix.registry import method_names
from augmix.suite.cli.parser import build_parser
from augmix.suite.config.schema import KINDS, schema
from augmix.suite.io.files import write_text
from augmix.suite.testsets import kinds
from docs import cards

CHECKOUT = Path(__file__).parents[1]
CONFIGURATION = CHECKOUT / "config" / "README.md"
Node = Mapping[str, Any]

HEAD = """\
# Configuration

An experiment is one YAML file: `make reproduce EXPERIMENT=quick` runs `config/quick.yaml`, and
`augmix reproduce --config FILE` any other. It has to say `experiment`, `datasets`, `architectures`
and `methods`:

```yaml
experiment: first                    # results go to results/first
datasets: [digits]                   # or {name: {loader: …, options: {…}}}
architectures: [smallnet_thin]       # or {name: …, build: package.module:function, training: {…}}
methods: [standard, augmix]          # or {name: …, preset: augmix, parameters: {width: 5}, training: {…}}
```

`extends: digits.yaml` begins with another file of the same folder: mappings are merged key by key, lists are replaced,
and `null` leaves an inherited data set or test set out. A misspelt key is refused with its line and the nearest valid
name. `results/<experiment>/experiment.yaml` records the configuration with every default.

This page is made of the schema by `python -m docs.generated`.
"""
SAID_NOWHERE = {"seed": "The seed of its draws.", "steps": "The steps of the attack."}
"""Keys of test sets that the schemas give no words for."""


def tracked(*folders: str, ending: str) -> set[str]:
    """The names, without ending, of the files that git tracks in some folders; none outside of a clone."""
    git = ["git", "-C", str(CHECKOUT), "-c", f"safe.directory={CHECKOUT}", "ls-files"]
    try:
        asked = [f":(glob){folder}/*{ending}" for folder in folders]
        listed = subprocess.run([*git, *asked], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return set()
    return {Path(path).stem for path in listed.splitlines()}


def configuration() -> str:
    """The text of config/README.md: the experiments of the folder, and every key that the YAML may have."""
    parts = [HEAD, "## The experiments\n", _experiments()]
    for title, node in _sections():
        parts += [f"## {title or 'An experiment'}\n", _table(node)]
    parts += ["## Test sets\n", "What an entry of `testsets` may say beside `kind`, by its kind.\n"]
    for name in kinds.names():
        words = (import_module(f"augmix.suite.testsets.kinds.{name}").__doc__ or "").partition("\n")[0]
        properties = kinds.kind(name).schema
        parts += [f"### kind: {name}\n", f"{words}\n", *([_table({"properties": properties})] if properties else [])]
    return "\n".join(parts)


def _experiments() -> str:
    """A row a file of the repository, with the first paragraph of the comment that it begins with."""
    lines = ["| file | what it is |", "| --- | --- |"]
    ours, before = tracked("config", ending=".yaml"), CONFIGURATION.read_text(encoding="utf-8")
    for path in sorted(CONFIGURATION.parent.glob("*.yaml")):
        if path.stem not in ours and f"\n| `{path.name}` |" not in before:
            continue
        words = []
        for line in path.read_text(encoding="utf-8").splitlines():
            if not line.startswith("# "):
                break
            words.append(line.removeprefix("# "))
        lines.append(f"| `{path.name}` | {' '.join(words)} |")
    return "\n".join([*lines, ""])


def _sections() -> Iterator[tuple[str, Node]]:
    """Every mapping with keys of its own, each definition once, under its name or its place in the file."""
    seen: set[str] = set()

    def walk(title: str, node: Node) -> Iterator[tuple[str, Node]]:
        if reference := node.get("$ref"):
            if reference in seen:
                return
            seen.add(reference)
            title, node = _name(reference), _resolved(node)
        if "properties" in node:
            yield title, node
        for key, child in node.get("properties", {}).items():
            yield from walk(f"{title}.{key}".lstrip("."), child)
        for ending, inner in (("[]", node.get("items")), (".<name>", node.get("additionalProperties"))):
            if isinstance(inner, Mapping):
                yield from walk(title + ending, inner)

    yield from walk("", schema())


def _name(reference: str) -> str:
    return reference.rsplit("/", 1)[1]


def _resolved(node: Node) -> Node:
    """A node with the definition that it refers to beneath what it says itself."""
    reference = node.get("$ref")
    return {**schema()["$defs"][_name(reference)], **node} if reference else node


def _table(node: Node) -> str:
    required = node.get("required", ())
    lines = ["| key | takes | default | |", "| --- | --- | --- | --- |"]
    for key, child in node["properties"].items():
        whole = _resolved(child)
        default = "required" if key in required else _value(whole["default"]) if "default" in whole else ""
        words = whole.get("description") or SAID_NOWHERE.get(key, "")
        lines.append(f"| `{key}` | {_takes(child)} | {default} | {words} |".replace("<", "&lt;"))
    return "\n".join([*lines, ""])


def _value(value: Any) -> str:
    """A default as YAML writes it."""
    if isinstance(value, list):
        value = f"[{', '.join(map(str, value))}]"
    elif isinstance(value, float):
        value = f"{value:.6g}"
    elif isinstance(value, bool | None) or value == "":
        value = json.dumps(value)
    return f"`{value}`"


def _takes(node: Node) -> str:
    """The values of a key in words."""
    reference, node = node.get("$ref"), _resolved(node)
    if reference and "properties" in node:
        return f"[{_name(reference)}](#{_name(reference)})"
    if "enum" in node:
        return ", ".join(f"`{'null' if choice is None else choice}`" for choice in node["enum"])
    types = node["type"] if isinstance(node["type"], list) else [node["type"]]
    words = " or ".join(KINDS[kind] for kind in types)
    inner = node.get("additionalProperties")
    if isinstance(inner, Mapping) and "properties" in _resolved(inner):
        words += f", each a {_takes(inner)}"
    if types == ["array"] and "type" in (items := _resolved(node["items"])):
        words += f", each {KINDS[items['type']]}"
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    bounds = [f"{sign} {node[key]}" for key, sign in signs.items() if key in node and node[key] < 2**31]
    return ", ".join([words, *bounds])


def commands() -> str:
    """The page of the commands: each with what it does, its options and an example."""
    parts = ["# Commands\n", "Every command has `--help`, which says the same.\n"]
    [found] = [one for one in build_parser()._actions if isinstance(one, argparse._SubParsersAction)]
    for name, parser in found.choices.items():
        text = parser.format_help().rstrip()
        parts += [f"## augmix {name}\n", f"```text\n{text}\n```\n"]
    return "\n".join(parts)


if __name__ == "__main__":
    for page, text in {CONFIGURATION: configuration(), **cards.pages()}.items():
        write_text(page, text)
        print(page)
    if left := [name for name in method_names(cards.PACKAGES) if name not in cards.NAMES]:
        print(f"without a card, for their steps were not measured (see CONTRIBUTING.md): {', '.join(left)}")
