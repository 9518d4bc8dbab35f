"""Progress bars: on a terminal they redraw a line with an ETA, elsewhere (a job's log, a pipe) they are silent.

Of several processes that train together, the first one shows them.
"""

from typing import Any

from tqdm import tqdm

from augmix.launcher import leads


def bar(iterable: Any = None, **options: Any) -> Any:
    """A `tqdm` bar that shows itself on a terminal only."""
    return tqdm(iterable, disable=None if leads() else True, dynamic_ncols=True, **options)
