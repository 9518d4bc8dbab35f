"""How often each fault was tried and what was lost: tests note it, `python -m tests.faults.tally` makes the table."""

import json
import os
import sys
from collections import Counter
from pathlib import Path

NIGHTLY = "AUGMIX_TEST_NIGHTLY" in os.environ
"""Whether to try as much as a night allows."""
FILE = "AUGMIX_TEST_TALLY"
"""The environment variable that names the file of notes."""


def tried(fault: str, times: int, lost: int = 0) -> None:
    """Note that a fault was tried so often, and how many results were lost or doubled by it."""
    if FILE in os.environ:
        # One short write in append mode: processes side by side do not tear each other's lines.
        with open(os.environ[FILE], "a", encoding="utf-8") as file:
            file.write(json.dumps({"fault": fault, "times": times, "lost": lost}) + "\n")


def table(notes: Path) -> str:
    """The notes as a Markdown table, in the faults' alphabetical order."""
    times: Counter[str] = Counter()
    lost: Counter[str] = Counter()
    for line in notes.read_text(encoding="utf-8").splitlines():
        note = json.loads(line)
        times[note["fault"]] += note["times"]
        lost[note["fault"]] += note["lost"]
    rows = [f"| {fault} | {times[fault]:,} | {lost[fault] or 'nothing'} |" for fault in sorted(times)]
    return "\n".join(["| fault | times tried | lost |", "|---|---:|---|", *rows])


def main(notes: Path, readme: Path) -> None:
    """Put the table in place of the one in `readme`."""
    head, begin, rest = readme.read_text(encoding="utf-8").partition("<!-- faults -->\n")
    _, end, tail = rest.partition("<!-- end of faults -->\n")
    readme.write_text(f"{head}{begin}{table(notes)}\n{end}{tail}", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
