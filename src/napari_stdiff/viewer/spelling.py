"""How many letters two names differ by, for all names at once."""

from __future__ import annotations

import numpy as np


def edits(
    wanted: str, letters: np.ndarray, lengths: np.ndarray, most: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return how many edits (a letter more, less, another, two swapped) lead to each name.

    Parameters
    ----------
    wanted
        What was typed.
    letters
        (longest, names) code points, 0 beyond the end of a name.
    lengths
        (names,) letters of each.
    most
        Edits that are counted; beyond it any larger number may stand.

    Returns
    -------
    whole, start
        (names,) edits to the whole name, and to any start of it.

    Notes
    -----
    Optimal string alignment, for all names at once, in a band of ``2 * most + 1`` around the
    diagonal: what lies outside takes more edits than are allowed.

    Examples
    --------
    >>> letters = np.array([[ord(c) for c in name] for name in ("gad1", "gadd")]).T
    >>> edits("gda1", letters, np.array([4, 4]), 1)[0].tolist()[0]
    1
    """
    n, size = len(wanted), letters.shape[1]
    far = np.full(size, most + 1, np.int16)
    above: dict[int, np.ndarray] = {}
    before = {j: np.full(size, j, np.int16) for j in range(min(most, len(letters)) + 1)}
    for i in range(1, n + 1):
        now: dict[int, np.ndarray] = {}
        for j in range(max(0, i - most), min(len(letters), i + most) + 1):
            if j == 0:
                now[j] = np.full(size, i, np.int16)
                continue
            same = letters[j - 1] == ord(wanted[i - 1])
            cost = before.get(j - 1, far) + ~same
            cost = np.minimum(cost, np.minimum(before.get(j, far), now.get(j - 1, far)) + 1)
            if i > 1 and j > 1 and j - 2 in above:
                swapped = (letters[j - 1] == ord(wanted[i - 2])) & (
                    letters[j - 2] == ord(wanted[i - 1])
                )
                cost = np.where(swapped, np.minimum(cost, above[j - 2] + 1), cost)
            now[j] = cost.astype(np.int16)
        above, before = before, now
    start = np.minimum.reduce([far, *before.values()])
    whole = far.copy()
    for j, cost in before.items():
        whole = np.where(lengths == j, cost, whole)
    return whole, start
