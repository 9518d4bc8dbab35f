"""Progress bars: on a terminal they redraw a line with an ETA, elsewhere (a job's log, a pipe) they are silent.

Of several processes that train together, the first one shows them.
"""

import sys
from typing import Any

from tqdm import tqdm

from augmix.suite.io.processes import leads


def bar(iterable: Any = None, **options: Any) -> Any:
    """A `tqdm` bar that shows itself on a terminal only."""
    return tqdm(iterable, disable=None if leads() else True, dynamic_ncols=True, **options)


def tell(line: str) -> None:
    """Print one line for the person watching, clear of any bar."""
    tqdm.write(line, file=sys.stderr)
    sys.stderr.flush()


def duration(seconds: float) -> str:
    """A time in words, to the nearest second or, from ten minutes on, minute: `40 s`, `3 min 20 s`, `2 h 5 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 600:
        return f"{whole // 60} min {whole % 60} s"
    minutes = (whole + 30) // 60
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
