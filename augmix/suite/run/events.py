"""`python -m augmix.suite.run.events FILE RECORDS …` is `snakemake …` that also writes its events to a file, as JSON.

It keeps its records in the folder RECORDS, for the checkout may be read-only; runs another machine's jobs by this very
interpreter wherever that lies; and leaves what a job has made of a file that is dated in the future: whether a result
is made again is decided by its stamp. Snakemake has options for none of these, and no other public way: methods of its
classes are replaced, as version 9.27 has them.

Snakemake looks for its plugins among the installed packages; this one registers itself, and need not be one.
"""

import json
import shlex
import sys
from logging import LogRecord
from pathlib import Path
from typing import Any, TextIO

from snakemake.cli import main
from snakemake.dag import DAG
from snakemake.persistence import PersistenceBase
from snakemake_interface_executor_plugins.executors.real import RealExecutor
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.registry import LoggerPluginRegistry

FIELDS = ("event", "jobid", "job_id", "rule_name", "rule_msg", "wildcards", "log", "stats", "done", "total")


class LogHandler(LogHandlerBase):
    """Writes each record of Snakemake's log as a line for `WorkflowLog`, beside the log for people."""

    file: TextIO
    writes_to_stream = writes_to_file = needs_rulegraph = False
    has_filter = has_formatter = True

    def emit(self, record: LogRecord) -> None:
        """Write one record; a failure is told in the log for people."""
        fields = {name: getattr(record, name) for name in FIELDS if hasattr(record, name)}
        try:
            print(json.dumps({**fields, "message": record.getMessage()}), file=self.file, flush=True)
        except (OSError, TypeError):
            self.handleError(record)


def keep_records_in(folder: Path) -> None:
    """Have Snakemake keep its records in `folder`, not in `.snakemake`."""
    initialise = PersistenceBase.__init__

    def at_folder(self: PersistenceBase, *arguments: Any, **options: Any) -> None:
        initialise(self, *arguments, **{**options, "path": options.get("path") or folder})

    PersistenceBase.__init__ = at_folder


async def accept_dates(self: DAG, *_: object) -> None:
    """Take what a job has made, whatever the dates of its inputs are."""


def quote_interpreter(executor: type[RealExecutor]) -> None:
    """Have commands name the interpreter as a shell takes it: its path may have blanks."""
    found = executor.get_python_executable
    executor.get_python_executable = lambda self: shlex.quote(found(self))


if __name__ == "__main__":
    _, events, records, *options = sys.argv
    keep_records_in(Path(records))
    DAG.check_output_mtime = accept_dates
    quote_interpreter(RemoteExecutor)
    with open(events, "w", encoding="utf-8") as LogHandler.file:
        LoggerPluginRegistry().register_plugin("augmix", sys.modules[__name__])
        main([*options, "--logger", "augmix"])
