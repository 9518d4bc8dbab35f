"""The schema of an experiment's YAML: checked with one clear line, and filled in with its defaults."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from augmix.errors import UserError
from augmix.registry import nearest
from augmix.suite.io.configuration import Lines, Position, describe, place
from augmix.suite.io.files import read_mapping

KINDS = {
    "object": "a mapping", "array": "a list", "string": "text", "integer": "a whole number", "number": "a number",
    "boolean": "true or false", "null": "null",
}  # fmt: skip
"""JSON Schema's types in words."""
MOVED = {
    "benchmarks": "testsets: {C: {shifts: […], seed: …}, P: {shifts: […]}}",
    "corruption_images": "testsets: {C: {images: …}}",
    "perturbation_images": "testsets: {P: {images: …}}",
    "published": "testsets: {C: {published: …, resize: …}, P: {published: …}}",
}
"""Keys of before test sets were named, with the way to say the same now."""


@cache
def schema() -> dict[str, Any]:
    """The schema of a whole experiment."""
    return read_mapping(Path(__file__).with_name("experiment.schema.yaml"), {})


def validate(config: Mapping[str, Any], schema: Mapping[str, Any], lines: Lines, within: Position = ()) -> None:
    """Check `config`, which stands at `within` of a file; the first fault is a `UserError` with its place."""
    import jsonschema

    base = jsonschema.Draft202012Validator
    # JSON Schema calls 15.0 an integer; an epoch count written so is more likely a slip.
    checker = base.TYPE_CHECKER.redefine("integer", lambda _, v: isinstance(v, int) and not isinstance(v, bool))
    validator = jsonschema.validators.extend(base, type_checker=checker)(schema)
    fault = min(validator.iter_errors(config), key=lambda e: [str(part) for part in e.absolute_path], default=None)
    if fault is not None:
        position = (*within, *fault.absolute_path)
        unknown = (_unknown(fault),) if fault.validator == "additionalProperties" else ()
        raise UserError(f"{place((*position, *unknown), lines)}: {_explain(fault, position)}")


def fill(value: Any, schema: Mapping[str, Any], root: Mapping[str, Any]) -> Any:
    """`value` with the schema's defaults filled in, but for the partial recipes inside lists."""
    schema = _resolve(schema, root)
    if not isinstance(value, Mapping):
        return value
    filled = dict(value)
    for key, reference in schema.get("properties", {}).items():
        child = _resolve(reference, root)
        if key in filled or "properties" in child:
            filled[key] = fill(filled.get(key, {}), child, root)
        elif "default" in child:
            filled[key] = child["default"]
    if isinstance(every := schema.get("additionalProperties"), Mapping):
        filled = {key: fill(child, every, root) for key, child in filled.items()}
    return filled


def _resolve(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = schema.get("$ref")
    return root["$defs"][reference.rsplit("/", 1)[1]] if reference else schema


def _unknown(fault: Any) -> str:
    """The first key that a mapping should not have."""
    return next(key for key in fault.instance if key not in fault.schema.get("properties", {}))


def _home(key: str, position: Position) -> str | None:
    """A half-sentence on where an unknown key belongs, if it is another section's; test sets have keys of their own."""
    whole = schema()
    if "testsets" in position:
        return None
    if position and key in whole["properties"]:
        return "it belongs at the top of the file"
    definitions = whole["$defs"]
    homes = {
        "training:": definitions["training"],
        "folders:": whole["properties"]["folders"],
        "datasets: {<name>: …}": definitions["dataset"],
    }
    found = [home for home, node in homes.items() if key in node["properties"]]
    return f"it belongs under {found[0]}" if found else None


def _explain(fault: Any, position: Position) -> str:
    name, value = describe(position), fault.instance
    match fault.validator:
        case "additionalProperties":
            known = fault.schema.get("properties", {})
            unknown = _unknown(fault)
            if unknown in MOVED:
                return f"'{unknown}' is no key of {name} any more; write {MOVED[unknown]}"
            return f"unknown key '{unknown}' in {name}; {_home(unknown, position) or nearest(unknown, known)}"
        case "required":
            missing = next(key for key in fault.validator_value if key not in value)
            return f"{name} lacks '{missing}'"
        case "enum":
            accepted = ("null" if choice is None else str(choice) for choice in fault.validator_value)
            return f"{name} is {value!r}; valid: {', '.join(accepted)}"
        case "type":
            wanted = fault.validator_value
            kinds = [KINDS[kind] for kind in (wanted if isinstance(wanted, list) else [wanted])]
            listed = "object" not in wanted if "array" in wanted else position == ("datasets",)
            hint = f"; write [{value}]" if listed and type(value) in (str, int) else ""
            return f"{name} must be {' or '.join(kinds)}, not {'empty' if value is None else repr(value)}{hint}"
        case "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum":
            sign = {"minimum": "≥", "maximum": "≤", "exclusiveMinimum": ">", "exclusiveMaximum": "<"}[fault.validator]
            return f"{name} is {value}; it must be {sign} {fault.validator_value}"
        case "pattern" if position[0] == "method_packages":
            return f"{name} is {value!r}; a Python package is named as `import` would name it, such as my_methods"
        case "pattern" if position[-1] == "build":
            return f"{name} is {value!r}; package.module:function is expected"
        case "pattern" | "propertyNames":
            return f"{name} is {value!r}; a name has letters, digits, '_', '-', '.' and begins with neither sign"
        case "uniqueItems":
            twice = next(entry for i, entry in enumerate(value) if entry in value[:i])
            return f"{name} names {twice!r} twice"
        case "minItems" | "minProperties":
            return f"{name} is empty; give at least {fault.validator_value}"
        case "maxProperties":
            return f"{name} has {len(value)} keys ({', '.join(map(str, value))}); {fault.validator_value} is accepted"
        case _:
            return f"{name}: {fault.message}"
