"""Start a training in several processes; `distributed` is what they do together."""

import logging
import socket
import sys
from collections.abc import Sequence

from augmix.errors import RunError


def launch(processes: int, arguments: Sequence[str]) -> None:
    """Run `augmix <arguments>` in so many processes on this machine with PyTorch's elastic launcher, and wait.

    Raises `Interrupted` after SIGTERM or SIGINT, and SystemExit with the status of the first process that failed,
    which has said why.
    """
    # Torch takes seconds to import, and only who trains needs it.
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    from augmix.suite.train.checkpoints import Interrupted

    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        endpoint = f"127.0.0.1:{free.getsockname()[1]}"
    config = LaunchConfig(
        1,
        1,
        processes,
        run_id="augmix",
        rdzv_backend="c10d",
        rdzv_endpoint=endpoint,
        rdzv_configs={"timeout": 60},
        local_addr="127.0.0.1",  # not by this machine's name, which may lead nowhere
        max_restarts=0,
        monitor_interval=0.2,
    )
    try:
        elastic_launch(config, sys.executable)("-m", "augmix.suite.cli", *arguments)
    except SignalException as error:
        raise Interrupted(error.sigval) from error
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        if failure.exitcode < 0:
            raise RunError(f"process {rank} of {processes} was ended by signal {-failure.exitcode}") from error
        raise SystemExit(failure.exitcode) from error
