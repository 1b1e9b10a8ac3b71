"""How far a predicted gene can be trusted, as a small picture: three bars, two, or one."""

from __future__ import annotations

from functools import cache

from qtpy.QtCore import QRectF, Qt
from qtpy.QtGui import QColor, QIcon, QPainter, QPixmap

from ...data.predicted import Badge
from ..cover import two_digits
from ..layers import PREDICTED

_BARS: dict[Badge, int] = {"high": 3, "medium": 2, "low": 1}
_SIZE = 16


@cache
def badge_icon(badge: Badge) -> QIcon:
    """Return rising bars, as many filled as the gene deserves: told apart without colours."""
    picture = QPixmap(_SIZE, _SIZE)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    painter.setPen(Qt.PenStyle.NoPen)
    for i in range(3):
        filled = i < _BARS[badge]
        painter.setBrush(QColor(PREDICTED.colour) if filled else QColor(128, 128, 128, 90))
        height = 4.0 + 4.5 * i
        painter.drawRect(QRectF(1.0 + 5.0 * i, _SIZE - 1.0 - height, 4.0, height))
    painter.end()
    return QIcon(picture)


def badge_words(badge: Badge, expected: float) -> str:
    """Return the badge in words, for example "high · r 0.61"."""
    return f"{badge} · r {two_digits(expected)}"
