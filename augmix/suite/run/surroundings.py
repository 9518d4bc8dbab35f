"""The surroundings of a start: the user's environment, home, temporary folder and clocks."""

import os
import pwd
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from augmix.errors import UserError
from augmix.suite.config.experiment import Experiment
from augmix.suite.evaluate.stages import AGAIN, FINISHED_ONLY
from augmix.suite.io.progress import duration
from augmix.suite.run import preflight

# Options of another Snakemake, a place among another launcher's processes, another repository, as in git's hooks,
# switches of Python with which MLflow cannot be imported, or a job that has ended waits for input, and what Bash reads
# before each job, where another environment may be activated, say.
_FOREIGN = re.compile(
    rf"SNAKEMAKE_.*|TORCHELASTIC_.*|(LOCAL_|GROUP_|ROLE_)?RANK|((LOCAL|GROUP|ROLE)_)?WORLD_SIZE|MASTER_(ADDR|PORT)"
    rf"|GIT_(DIR|WORK_TREE|INDEX_FILE)|PYTHON(INSPECT|OPTIMIZE|WARNINGS)|BASH_ENV|SHELLOPTS|BASHOPTS"
    rf"|{FINISHED_ONLY}|{AGAIN}"
)
TEMPORARY_MB = 8
"""The room that Snakemake needs in the temporary folder, for its plans and small files, with some to spare."""


def check(experiment: Experiment, profile: str | None) -> Iterator[str]:
    """Find caches, and refuse a place or a time in which jobs would fail; yields lines about what is odd."""
    find_home(experiment.results)
    check_temporary()
    if {"{", "}"} & set(str(Path.cwd())):
        raise UserError(f"the checkout's path {Path.cwd()} has braces, which Snakemake takes for variables; move it")
    if profile is not None and not _writable(Path(".snakemake").absolute()):
        raise UserError(f"the checkout {Path.cwd()} cannot be written: jobs on other machines are handed over in it")
    yield from check_dates(experiment, profile)


def environment() -> dict[str, str]:
    """The environment of Snakemake and its jobs: the user's own without what would change silently what they do."""
    kept = {name: value for name, value in os.environ.items() if not _FOREIGN.fullmatch(name)}
    # Figures are drawn into files, where there may be no display.
    return {**kept, "PATH": preflight.tool_path(), "MPLBACKEND": "Agg"}


def find_home(results: Path) -> None:
    """Give this process and its jobs caches in `results` where the user has no home, or one that cannot be written.

    Snakemake, Numba, Matplotlib and Triton keep theirs at home. What else is there, keys and settings, stays in use.
    """
    caches = results.absolute() / ".cache"
    home = Path(os.path.expanduser("~"))
    if not home.is_absolute() or not home.is_dir():
        os.environ["HOME"] = str(caches)
    usual = Path(os.environ.get("XDG_CACHE_HOME") or Path(os.path.expanduser("~")) / ".cache")
    if not _writable(usual):
        os.environ["XDG_CACHE_HOME"] = str(caches)
    for name, folder in (("MPLCONFIGDIR", ".config/matplotlib"), ("TRITON_CACHE_DIR", ".triton/cache")):
        if name not in os.environ and not _writable(Path(os.path.expanduser("~")) / folder):
            os.environ[name] = str(caches / Path(folder).parts[0].lstrip("."))
    if str(caches) in os.environ.values():
        caches.mkdir(parents=True, exist_ok=True)
    try:
        pwd.getpwuid(os.getuid())
    except KeyError:
        os.environ.setdefault("LOGNAME", f"uid{os.getuid()}")  # asked for before the list of users is


def _writable(folder: Path) -> bool:
    """Whether a folder can be made and written in."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


def records(beside: Path) -> Path:
    """The folder of Snakemake's own records: `.snakemake` in the checkout, or where that is read-only `beside` logs."""
    here = Path(".snakemake").absolute()
    return here if _writable(here) else (beside / "snakemake").absolute()


def check_temporary() -> None:
    """Refuse a temporary folder without room, where Snakemake's planning of the jobs would end in its midst."""
    folder = tempfile.gettempdir()
    with suppress(OSError):
        with tempfile.TemporaryFile() as file:
            for _ in range(TEMPORARY_MB):
                file.write(bytes(2**20))
            file.flush()
        return
    raise UserError(f"the temporary folder {folder} has no room for {TEMPORARY_MB} MB: make some, or set TMPDIR")


def check_dates(experiment: Experiment, profile: str | None) -> Iterator[str]:
    """Say which result is dated in the future, as where two machines' clocks differ; Snakemake goes by times as well.

    On this machine nothing is lost by that. On other machines (with a profile) Snakemake's own jobs would delete what
    they have made of such a file: there it is refused.
    """
    markers = [experiment.data / folder / "dataset.json" for folder in experiment.folders]
    markers += [making.marker for making in experiment.makings()]
    runs = [experiment.folder / run.path for run in experiment.runs]
    markers += [folder / name for folder in runs for name in ("model.pt", "predictions.json", "validation.json")]
    markers += [experiment.folder / name for name in ("metrics.csv", "runs.csv", "experiment.yaml", "chosen.csv")]
    dates = {path: path.stat().st_mtime for path in markers if path.exists()}
    latest = max(dates, key=dates.__getitem__, default=None)
    if latest is None or (ahead := dates[latest] - time.time()) < 1:
        return
    said = f"{latest} is dated {duration(ahead)} in the future: the clock here, or that of its disk, is wrong"
    if profile is not None:
        raise UserError(f"{said}; set it right, or wait so long")
    yield f"{said}; until then, what is made of it may be made again"
