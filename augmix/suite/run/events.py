"""`python -m augmix.suite.run.events FILE …` is `snakemake …` that also writes its events to a file, as JSON lines.

Snakemake looks for its plugins among the installed packages; this one registers itself, and need not be one.
"""

import json
import sys
from logging import LogRecord
from typing import TextIO

from snakemake.cli import main
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


if __name__ == "__main__":
    with open(sys.argv[1], "w", encoding="utf-8") as LogHandler.file:
        LoggerPluginRegistry().register_plugin("augmix", sys.modules[__name__])
        main([*sys.argv[2:], "--logger", "augmix"])
