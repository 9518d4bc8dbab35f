"""The command line: one file a command."""

from augmix.suite.cli.parser import main

__all__ = ["main"]
