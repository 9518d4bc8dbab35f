"""Nothing foreign is executed, and no secret of the environment gets into a file."""

import ast
from pathlib import Path
from typing import Any

import pytest
import torch

from augmix.errors import UserError
from augmix.suite.evaluate.evaluation import load_net
from augmix.suite.train import devices
from augmix.suite.train.checkpoints import Checkpoints
from tests.checkout import ROOT, SECRET, Checkout

ROOMS = ("augmix", "baselines", "ablations", "reports", "benchmarks")


class Hostile:
    """An object whose unpickling creates a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return open, (str(self.mark), "w")


def test_a_hostile_checkpoint_is_not_executed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mark = tmp_path / "executed"
    torch.save({"fingerprint": "f", "net": Hostile(mark)}, tmp_path / "checkpoint.pt")
    torch.save({"weight": Hostile(mark)}, tmp_path / "model.pt")
    noted = {"classes": ["a", "b"], "normalisation": ([0.5] * 3, [0.5] * 3)}
    assert Checkpoints(tmp_path, "f").load() is None
    assert "checkpoint.pt is damaged" in capsys.readouterr().err
    with pytest.raises(UserError, match=r"model\.pt does not hold weights of smallnet"):
        load_net(tmp_path / "model.pt", "smallnet", noted, devices.choose("cpu"))
    assert not mark.exists()


def calls() -> dict[str, list[ast.Call]]:
    """Every call `a.b(…)` in the repository's own code, by `file:line a.b`."""
    found: dict[str, list[ast.Call]] = {}
    for room in ROOMS:
        for path in sorted((ROOT / room).glob("**/*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                    name = ast.unparse(node.func)
                    found.setdefault(name, []).append(node)
    return found


def test_files_are_read_without_executing_them() -> None:
    by_name = calls()
    for name, keyword, value in (
        ("torch.load", "weights_only", True),
        ("np.load", "allow_pickle", False),
        ("np.save", "allow_pickle", False),
    ):
        assert by_name[name]
        for call in by_name[name]:
            given = {k.arg: getattr(k.value, "value", None) for k in call.keywords}
            assert given.get(keyword) is value, f"{name} in line {call.lineno}: {ast.unparse(call)}"
    for name in ("pickle.load", "pickle.loads", "yaml.load", "yaml.unsafe_load", "os.system", "joblib.load"):
        assert name not in by_name
    for name, nodes in by_name.items():
        for call in nodes:
            assert not any(k.arg == "shell" for k in call.keywords), f"{name} in line {call.lineno}"
            if name.endswith(".extractall"):
                assert any(k.arg == "filter" for k in call.keywords), f"{name} in line {call.lineno}"


@pytest.mark.slow
def test_no_file_holds_a_secret_of_the_environment(finished: Checkout) -> None:
    files = [path for path in finished.folder.glob("**/*") if path.is_file()]
    assert any(path.name == "mlflow.db" for path in files)
    assert any(path.name == "provenance.json" for path in files)
    assert any(path.suffix == ".log" for path in files)
    assert [path for path in files if SECRET.encode() in path.read_bytes()] == []
