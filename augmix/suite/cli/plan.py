"""Say what an experiment will take: jobs, images, disk and hours; or compare that with what it took.

example: augmix plan --config config/cifar10.yaml --throughput wideresnet=1500 --devices 4
"""

import argparse
import os
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from augmix.errors import UserError
from augmix.suite.cli.command import add_config, experiment_of

if TYPE_CHECKING:
    from augmix.suite.plan.calibration import Request

MOST_PROCESSES = 8
"""The processes that measure at once, at most."""


def add(command: argparse.ArgumentParser) -> None:
    add_config(command, settings=False)
    command.add_argument(
        "--throughput",
        action="append",
        default=[],
        metavar="NAME=N",
        help="an architecture's training images a second, in place of measuring it here (repeatable)",
    )
    command.add_argument("--cores", type=int, metavar="N", help="CPU cores to use (default: all)")
    command.add_argument("--devices", type=int, metavar="N", help="jobs side by side, such as one on each of N GPUs")
    command.add_argument("--actual", action="store_true", help="say where the time went, beside the last plan")


def run(args: argparse.Namespace) -> None:
    from augmix.suite.plan import calibration, forecast, tables
    from augmix.suite.run import outdated

    experiment = experiment_of(args)
    if args.actual:
        print(tables.actual(experiment))
        return
    for option in ("cores", "devices"):
        if (value := getattr(args, option)) is not None and value < 1:
            raise UserError(f"--{option} is {value}; at least 1 is needed")
    throughput = forecast.stated(args.throughput, experiment)
    request, absent = _here(forecast.request(experiment, throughput))
    side_by_side, processes = _jobs(request, args.cores, args.devices)
    if request.nets:
        print("measuring: ten seconds or, with large nets, longer …", file=sys.stderr)
    made = forecast.Plan(experiment, calibration.calibrate(request, processes), throughput)
    made.save(side_by_side)
    print(tables.forecast(made, side_by_side))
    for line in outdated.targets(experiment, dry_run=True)[1]:
        print(line)
    if request.nets and absent:
        print(f"There is no {absent} here, which the experiment asks for: state what one trains with --throughput.")
    if (request.nets or request.shifts) and (load := os.getloadavg()[0] - processes * request.threads) > 1:
        print(f"This machine is busy with other work (load {load:.1f} besides the measuring): idle, it is faster.")


def _here(request: "Request") -> tuple["Request", str | None]:
    """The request for a device of this machine, and the device it asked for where this machine lacks that."""
    from augmix.suite.train.devices import find

    try:
        find(request.device)
    except UserError:
        return replace(request, device="auto"), request.device
    return request, None


def _jobs(request: "Request", cores: int | None, devices: int | None) -> tuple[int, int]:
    """Count the jobs that run side by side, and the processes to measure in."""
    from augmix.suite.io import machine
    from augmix.suite.train.devices import find

    if find(request.device) != "cpu":
        return devices or max(machine.gpus(), 1), 1
    here = max(machine.cpus() // request.threads, 1)
    jobs = devices or (max(cores // request.threads, 1) if cores else here)
    return jobs, min(jobs, here, MOST_PROCESSES) if request.nets else 1
