"""A trained net in MLflow's format: written without torch and without MLflow, read by `mlflow.pyfunc.load_model`."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from augmix.errors import UserError
from augmix.suite.io.files import expanded, read_mapping

FOLDER = "model"
"""The artifact of a run that is its net: `mlflow.pyfunc.load_model("runs:/<id>/model")`."""
_EXAMPLE = "input_example.json"


def artifacts(
    weights: bytes, architecture: str, data: str, trained_on: Mapping[str, str], python: str
) -> dict[str, bytes]:
    """The files of a net with the content of a `model.pt`, for images of the prepared data set in the folder `data`.

    Nothing where that data set, which says what the classes are, is not there, or is another than it was `trained_on`:
    the checksums of its arrays.
    """
    folder = expanded(data)
    try:
        noted = read_mapping(folder / "dataset.json", {"classes": list, "sha256": dict, "normalisation": list})
        example = _example(folder / "test_images.npy")
    except (UserError, OSError, ValueError):
        return {}
    if noted["sha256"] != trained_on:
        return {}
    height, width = np.shape(example)[1:3]
    described = {
        "artifact_path": FOLDER,
        "flavors": {"python_function": {"data": "data", "loader_module": __name__, "python_version": python}},
        "saved_input_example_info": {"artifact_path": _EXAMPLE, "format": "tf-serving", "type": "ndarray"},
        "signature": {
            "inputs": _tensor("uint8", -1, height, width, 3),
            "outputs": _tensor("float32", -1, len(noted["classes"])),
            "params": None,
        },
    }
    net = {"architecture": architecture, **{key: noted[key] for key in ("classes", "normalisation")}}
    return {
        f"{FOLDER}/MLmodel": yaml.safe_dump(described).encode(),
        f"{FOLDER}/{_EXAMPLE}": json.dumps(example).encode(),
        f"{FOLDER}/data/net.json": json.dumps(net, ensure_ascii=False, indent=1).encode(),
        f"{FOLDER}/data/model.pt": weights,
    }


@cache
def _example(images: Path) -> Any:
    """The first image of an array, as nested lists: uint8 (1, H, W, 3)."""
    return np.load(images, mmap_mode="r", allow_pickle=False)[:1].tolist()


def _tensor(dtype: str, *shape: int) -> str:
    return json.dumps([{"type": "tensor", "tensor-spec": {"dtype": dtype, "shape": shape}}])


class Predictor:
    """A net as MLflow calls it."""

    def __init__(self, net: Any) -> None:
        self._net = net

    def predict(self, images: np.ndarray) -> np.ndarray:
        """The probability of each class, float32 (N, K), of uint8 (N, H, W, 3)."""
        import torch

        from augmix.suite.train.batches import in_order

        with torch.inference_mode():
            batches = [self._net(batch).softmax(1) for batch in in_order(images, torch.device("cpu"))]
        probabilities: np.ndarray = torch.cat(batches).numpy()
        return probabilities


def _load_pyfunc(path: str) -> Predictor:
    """The function that MLflow calls with the folder of `net.json` and `model.pt`."""
    import torch

    from augmix.suite.evaluate.evaluation import load_net

    noted = read_mapping(Path(path, "net.json"), {"architecture": str, "classes": list, "normalisation": list})
    return Predictor(load_net(Path(path, "model.pt"), noted["architecture"], noted, torch.device("cpu")).eval())
