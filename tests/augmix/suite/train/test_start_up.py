"""A training imports nothing that its method or net can do without: each import is paid for at every start."""

import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import nn

from augmix.suite.train.optimizers import make_optimizer

SETTINGS = {"learning_rate": 0.1, "weight_decay": 0.01, "momentum": 0.9, "nesterov": True}
STEPS = """
import sys
from inspect import Parameter

import torch
from torch import nn

from augmix import methods
from augmix.registry import method_names, method_parameters
from augmix.suite.train import devices, training

devices.set_up({"threads": 1, "device": "cpu", "compile": False})
assert torch.are_deterministic_algorithms_enabled()
assert torch.is_deterministic_algorithms_warn_only_enabled()
PACKAGES = ["baselines", "ablations"]
for name in method_names(PACKAGES):
    if Parameter.empty not in method_parameters(name, PACKAGES).values():
        methods.try_out(methods.build({"name": name, "preset": name, "parameters": {}}, PACKAGES), name)
        print(name)
    for module in ("torchvision", "torch._dynamo"):
        assert module not in sys.modules, f"{name} imports {module}"
for optimizer in ("sgd", "adamw"):
    net = nn.Linear(2, 2)
    used = training.make_optimizer(net, {"optimizer": optimizer, **SETTINGS})
    net(torch.ones(1, 2)).sum().backward()
    used.step()
    used.zero_grad()
    used.load_state_dict(used.state_dict())
    assert "torch._dynamo" not in sys.modules, f"{optimizer} imports torch's compiler"
"""


def test_no_method_or_optimizer_imports_torchvision_or_the_compiler() -> None:
    code = f"SETTINGS = {SETTINGS}\n{STEPS}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert {"standard", "augmix", "fmix", "adversarial", "autoaugment", "no_mixing"} <= set(done.stdout.split())


@pytest.mark.parametrize(
    ("name", "kind", "options"),
    [("sgd", torch.optim.SGD, {"momentum": 0.9, "nesterov": True}), ("adamw", torch.optim.AdamW, {})],
)
def test_optimizers_are_torchs_to_the_bit(name: str, kind: Any, options: dict[str, Any]) -> None:
    def trained(make: Any) -> tuple[nn.Linear, dict[str, Any]]:
        torch.manual_seed(0)
        net = nn.Linear(5, 3)
        optimizer = make(net)
        for _ in range(3):
            optimizer.zero_grad()
            net(torch.randn(4, 5)).square().sum().backward()
            optimizer.step()
        return net, optimizer.state_dict()

    ours, state = trained(lambda net: make_optimizer(net, {"optimizer": name, **SETTINGS}))
    theirs, expected = trained(lambda net: kind(net.parameters(), 0.1, weight_decay=0.01, **options))
    assert torch.equal(ours.weight, theirs.weight)
    assert state["param_groups"] == expected["param_groups"]
    torch.testing.assert_close(state["state"], expected["state"], rtol=0, atol=0)
