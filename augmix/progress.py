"""Progress bars: on a terminal they redraw a line with an ETA, elsewhere (a job's log, a pipe) they are silent."""

from typing import Any

from tqdm import tqdm


def bar(iterable: Any = None, **options: Any) -> Any:
    """A `tqdm` bar that shows itself on a terminal only."""
    return tqdm(iterable, disable=None, dynamic_ncols=True, **options)
