"""Released nets: found by name, and nothing else than what was released."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from augmix import models
from augmix.errors import UserError
from augmix.models._released import SHIPPED, read_index

NAME = "fashion/smallnet_thin/augmix"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of what ships with the package, to be changed."""
    return Path(shutil.copytree(SHIPPED, tmp_path / "weights"))


@pytest.mark.parametrize("name", read_index(SHIPPED / "weights.json"))
def test_every_net_that_ships_is_loaded(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AUGMIX_WEIGHTS", raising=False)
    net = models.load(name)
    assert net(torch.zeros(1, 3, 28, 28, dtype=torch.uint8)).shape == (1, len(net.classes))
    assert not net.training


def test_their_error_is_the_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    import numpy as np

    from augmix.suite.data.loaders import fashion_small

    monkeypatch.delenv("AUGMIX_WEIGHTS", raising=False)
    _, _, images, labels, *_ = fashion_small.load()
    assert isinstance(images, np.ndarray)
    with torch.inference_mode():
        found = models.load(NAME)(torch.from_numpy(images).permute(0, 3, 1, 2)).argmax(1).numpy()
    card = (SHIPPED / f"{NAME.replace('/', '-')}.md").read_text()
    assert f"| clean error | {np.mean(found != labels):.2%} |" in card


def test_a_folder_of_ones_own(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = json.loads((folder / "weights.json").read_text())
    (folder / "weights.json").write_text(json.dumps({"mine/net": index[NAME]}))
    with pytest.raises(UserError, match=r"no released net 'fashion/.*; valid: mine/net"):
        models.load(NAME, folder)
    monkeypatch.setenv("AUGMIX_WEIGHTS", str(folder))
    assert models.load("mine/net").classes == index[NAME]["classes"]


def test_other_files_are_refused(folder: Path) -> None:
    file = folder / f"{NAME.replace('/', '-')}.pt"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(UserError, match=r"augmix\.pt is not the released file, whose sha256 is"):
        models.load(NAME, folder)
    file.unlink()
    with pytest.raises(UserError, match=r"augmix\.pt cannot be read: No such file"):
        models.load(NAME, folder)
    (folder / "weights.json").write_text("{")
    with pytest.raises(UserError, match=r"weights\.json is no index of released nets"):
        models.load(NAME, folder)


def test_what_the_folder_lacks_is_downloaded_once(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "cache"))
    file = folder / f"{NAME.replace('/', '-')}.pt"
    elsewhere = tmp_path / "elsewhere.pt"
    file.rename(elsewhere)
    index = json.loads((folder / "weights.json").read_text())
    index[NAME]["url"] = elsewhere.as_uri()
    (folder / "weights.json").write_text(json.dumps(index))
    assert models.load(NAME, folder).classes == index[NAME]["classes"]
    elsewhere.write_bytes(b"other")
    models.load(NAME, folder)
    shutil.rmtree(tmp_path / "cache")
    with pytest.raises(UserError, match=r"elsewhere\.pt cannot be downloaded to .*invalid hash value"):
        models.load(NAME, folder)
    assert not list((tmp_path / "cache").rglob("*.pt"))
