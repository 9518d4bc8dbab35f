"""Trained nets by name: those that ship with the package, or those of a folder that `augmix release` has written."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import torch

from augmix import models
from augmix.errors import UserError
from augmix.registry import nearest

SHIPPED = Path(__file__).with_name("released")
INDEX = "weights.json"
"""The file of a folder of released nets that says what they are."""
FIELDS = {"file": str, "sha256": str, "architecture": str, "classes": list, "normalisation": list}
"""The keys of an entry of the index; also `url`, where its file can be had elsewhere."""


class Released(models.Normalised):
    """A trained net that takes images in [0, 255], uint8 or float (B, 3, H, W), and gives logits (B, K)."""

    classes: list[str]
    """The names of the K classes."""


def load(name: str, source: str | Path | None = None) -> Released:
    """The released net `name`, such as `fashion/smallnet_thin/augmix`, on the CPU and in evaluation mode.

    `source` is a folder that `augmix release` has written; where it is None, the environment's AUGMIX_WEIGHTS counts,
    then the package's own. What the folder lacks and the index has an address of is downloaded into torch's cache.
    Raises `UserError` for an unknown name, and for a file that cannot be had or is not the released one. Files hold
    tensors alone: nothing in them is executed.
    """
    folder = Path(source or os.environ.get("AUGMIX_WEIGHTS") or SHIPPED).expanduser()
    index = read_index((folder if (folder / INDEX).exists() else SHIPPED) / INDEX)
    if name not in index:
        raise UserError(f"no released net '{name}' in {folder}; {nearest(name, index)}")
    entry = index[name]
    path = _file(folder / entry["file"], entry)
    net = Released(models.build(entry["architecture"], len(entry["classes"])), *entry["normalisation"])
    try:
        net.net.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{path} does not fit {entry['architecture']} as it is now: {reason}") from error
    net.classes = entry["classes"]
    return net.eval()


def read_index(path: Path) -> dict[str, dict[str, Any]]:
    """An index's entries by the nets' names; raises `UserError` for one that is missing or damaged."""
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
        if all(isinstance(entry[key], kind) for entry in index.values() for key, kind in FIELDS.items()):
            return dict(index)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}; `augmix release` writes such a folder") from error
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    raise UserError(f"{path} is no index of released nets; `augmix release` writes one")


def _file(path: Path, entry: dict[str, Any]) -> Path:
    """A net's file, downloaded unless it is there, and compared with its checksum."""
    if not path.exists() and "url" in entry:
        path = Path(torch.hub.get_dir(), "augmix", path.name)
        _download(entry["url"], path, entry["sha256"])
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    if found != entry["sha256"]:
        raise UserError(f"{path} is not the released file, whose sha256 is {entry['sha256']}; delete it and try again")
    return path


def _download(url: str, path: Path, sha256: str) -> None:
    """Have a file at `path`, whole and compared with its checksum, or none."""
    if path.exists():
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(path), hash_prefix=sha256, progress=False)
    except (OSError, ValueError, RuntimeError) as error:
        raise UserError(f"{url} cannot be downloaded to {path}: {error}; or put that file there yourself") from error
