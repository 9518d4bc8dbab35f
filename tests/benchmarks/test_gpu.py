"""The command that measures a GPU runs where there is none, as far as that goes, and its exit tells of wrong bits."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from augmix.operations import compiled
from augmix.suite.train import training
from benchmarks import gpu, gpu_steps


@pytest.fixture(autouse=True)
def little(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(gpu, "CASES", [(32, 256), (40, 8)])
    monkeypatch.setattr(gpu, "RESULTS", tmp_path)
    monkeypatch.setattr(gpu, "TURNS", 2)
    monkeypatch.setattr(gpu, "PATIENCE", 0.1)
    monkeypatch.setattr(gpu_steps, "NETS", {"smallnet": (32, 4)})
    monkeypatch.setattr(gpu_steps, "CLOSER", "smallnet")


@pytest.mark.slow
def test_everything_is_measured_without_a_gpu(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert gpu.main(["--cpu"]) == 0
    assert "graph" not in capsys.readouterr().err
    tables = {path.stem.removeprefix("gpu_"): pd.read_csv(path) for path in tmp_path.glob("gpu_*.csv")}
    assert set(tables) == set(gpu.SECTIONS)
    views = tables["views"]
    ways = views[views["side"] == 32].set_index("way")
    assert {gpu.OURS, gpu.ONE_THREAD, gpu.SINGLE, gpu.BATCHED, gpu.COPY} <= set(ways.index)
    assert (views["us_a_view"] > 0).all()
    assert views[["launches", "on_the_device"]].isna().all(axis=None)
    assert ways.loc[gpu.ONE_THREAD, "us_a_view"] < ways.loc[gpu.SINGLE, "us_a_view"]
    steps = tables["steps"].set_index(["net", "method"])
    assert set(steps.index) == {(net, method) for net in gpu_steps.NETS for method in gpu_steps.VIEWS}
    assert (steps[["ms_a_step", "images_per_second", "bare_eager_ms", "bare_graph_ms"]] > 0).all(axis=None)
    assert steps["bare_compiled_ms"].notna().to_dict() == {
        key: key in (("smallnet", "standard"), ("smallnet", "adversarial")) for key in steps.index
    }
    assert list(tables["evaluation"]["way"]) == ["kernel by kernel", "replayed"]
    assert list(tables["bits"]["differing"]) == [0, 0, 0]


def only_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "SECTIONS", {"bits": gpu.bits})


def test_wrong_bits_of_an_operation_are_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls: list[int] = []

    class Wrong:
        mix = staticmethod(compiled.mix)

        @staticmethod
        def chain(*arguments: torch.Tensor) -> torch.Tensor:
            calls.append(1)
            found = compiled.chain(*arguments)  # type: ignore[arg-type]
            found[0, 0, 0, 0] += len(calls) == 1
            return found

    only_bits(monkeypatch)
    monkeypatch.setattr(gpu_steps, "differing", lambda *_: {})
    monkeypatch.setattr("augmix.operations.choose", lambda images, mix: Wrong)
    assert gpu.main(["--cpu"]) == 1
    assert list(pd.read_csv(tmp_path / "gpu_bits.csv")["differing"]) == [1]


def test_a_training_that_does_not_repeat_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    step, steps = training.training_step, 0

    def drifting(net: torch.nn.Module, *given: Any) -> Any:
        nonlocal steps
        steps += 1
        if steps == 5:  # the first one of the second training
            next(net.parameters()).data.add_(1)
        return step(net, *given)

    only_bits(monkeypatch)
    monkeypatch.setattr(gpu, "wrong_values", lambda device: 0)
    monkeypatch.setattr(training, "training_step", drifting)
    assert gpu.main(["--cpu"]) == 1
    found = pd.read_csv(tmp_path / "gpu_bits.csv").set_index("what")["differing"]
    assert found["the same training again"] > 0
    assert found["killed and resumed"] == 0


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert gpu.main([]) == 2
    assert capsys.readouterr().err == "no NVIDIA GPU: --cpu tries the script itself\n"
