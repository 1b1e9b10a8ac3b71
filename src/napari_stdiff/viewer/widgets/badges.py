"""Small pictures: how far a predicted gene can be trusted, in bars; a glass for a search."""

from __future__ import annotations

from functools import cache

from qtpy.QtCore import QPointF, QRectF, Qt
from qtpy.QtGui import QColor, QIcon, QPainter, QPen, QPixmap

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


@cache
def glass_icon() -> QIcon:
    """Return a magnifying glass in a grey that is seen on dark and on light themes."""
    picture = QPixmap(2 * _SIZE, 2 * _SIZE)  # sharp on fine screens, too
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    pen = QPen(QColor(128, 128, 128), 3.4)
    pen.setCapStyle(Qt.PenCapStyle.RoundCap)
    painter.setPen(pen)
    painter.drawEllipse(QRectF(6.0, 6.0, 14.0, 14.0))
    painter.drawLine(QPointF(18.5, 18.5), QPointF(26.0, 26.0))
    painter.end()
    return QIcon(picture)


def badge_words(badge: Badge, expected: float) -> str:
    """Return the badge in words, for example "high · r 0.61"."""
    return f"{badge} · r {two_digits(expected)}"
