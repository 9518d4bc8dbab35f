"""Killed or cut off at any moment, a run goes on and ends in the same bits."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from augmix.suite.train.checkpoints import Checkpoints
from tests.checkout import ROOT
from tests.faults.tally import NIGHTLY, tried


def crashes(*arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.faults.crashes", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    outcome: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return outcome


def test_killed_at_random_moments_it_ends_in_the_same_bits(
    write_config: Callable[..., Path], made_testsets: Path
) -> None:
    config = write_config(
        methods=["augmix"],
        training={"epochs": 6, "batch_size": 32},
        folders={"data": str(made_testsets)},
    )
    count = 20 if NIGHTLY else 3
    seed = int(np.random.default_rng().integers(2**31))
    outcome = crashes("kills", str(config), str(count), str(seed))
    assert len(outcome["killed_after"]) == count
    lost = sum(whole != killed for whole, killed in outcome["hashes"].values())
    tried("SIGKILL at a random moment of training, evaluation or collection", count, lost)
    assert lost == 0, f"seed {seed}: {outcome}"


def test_power_cut_at_any_system_call_of_a_checkpoint(tmp_path: Path) -> None:
    loaded = crashes("cuts", str(tmp_path))["loaded"]
    assert len(loaded) >= 8
    lost = sum(state < 2 for state in loaded)
    tried("power cut at each system call of a checkpoint's write", len(loaded), lost)
    assert lost == 0
    assert loaded[0] == 2
    assert loaded[-1] == 3


def test_a_bit_changed_anywhere_in_a_checkpoint_is_noticed(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, "f")
    for state in (1, 2):
        checkpoints.save({"state": state, "net": torch.full((1000,), float(state))})
    whole = checkpoints.newest.read_bytes()
    rng = np.random.default_rng()
    places = range(len(whole)) if NIGHTLY else rng.choice(len(whole), 300, replace=False).tolist()
    wrong = []
    for at in places:
        changed = bytes([whole[at] ^ 1 << at % 8])
        checkpoints.newest.write_bytes(whole[:at] + changed + whole[at + 1 :])
        found = checkpoints.load()
        if found is None or not torch.equal(found["net"], torch.full((1000,), float(found["state"]))):
            wrong.append(at)
    tried("a bit changed in a checkpoint", len(places), len(wrong))
    assert wrong == []
