"""Whether one way is better than another, or only luckier."""

from __future__ import annotations

import numpy as np


def surely_gains(gains: np.ndarray) -> bool:
    """Tell whether gains are on average above the standard error of their mean.

    What costs more and may be luck is left out by it: the rule of one standard error (Breiman et
    al. 1984, section 3.4.3). One gain alone is never sure.

    Parameters
    ----------
    gains
        (n,) gain of each gene, fold or other repeat.

    Returns
    -------
    bool
        Whether the gain is sure.

    Examples
    --------
    >>> surely_gains(np.array([1.0, 1.2, 0.8])), surely_gains(np.array([1.0, -1.2, 0.8]))
    (True, False)
    """
    if len(gains) < 2:
        return False
    return bool(gains.mean() > gains.std(ddof=1) / np.sqrt(len(gains)))
