"""A row of a list with its status at the right end."""

from __future__ import annotations

from qtpy.QtCore import QModelIndex, QRect, Qt
from qtpy.QtGui import QColor, QPainter, QPalette
from qtpy.QtWidgets import QApplication, QStyle, QStyledItemDelegate, QStyleOptionViewItem

STATUS = Qt.ItemDataRole.UserRole + 1
_MARGIN = 46  # of a name: a badge or a tick box before it, and room around it


class StatusRow(QStyledItemDelegate):
    """Draws a gene with its status at the right end of the row."""

    def paint(
        self, painter: QPainter | None, option: QStyleOptionViewItem, index: QModelIndex
    ) -> None:
        """Draw the row; name and status are cut short where there is no room for both."""
        if painter is None:
            return
        status = str(index.data(STATUS) or "")
        whole, metrics = QRect(option.rect), option.fontMetrics
        wanted = metrics.horizontalAdvance(str(index.data() or "")) + _MARGIN
        room = max(whole.width() - wanted, whole.width() // 2)  # the name keeps half
        status = metrics.elidedText(status, Qt.TextElideMode.ElideMiddle, room)
        width = metrics.horizontalAdvance(status) + 10
        name = QStyleOptionViewItem(option)
        style = QApplication.style() if option.widget is None else option.widget.style()
        ticking = index.data(Qt.ItemDataRole.CheckStateRole) is not None
        box = 0 if ticking or style is None else self.room_before(style)
        name.rect = whole.adjusted(box, 0, -width, 0)
        chosen = bool(option.state & QStyle.StateFlag.State_Selected)
        if chosen:
            painter.fillRect(whole, option.palette.color(QPalette.ColorRole.Highlight))
        super().paint(painter, name, index)
        colour = QColor(option.palette.color(QPalette.ColorRole.Text))
        colour.setAlphaF(0.9 if chosen else 0.65)
        painter.save()
        painter.setPen(colour)
        right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        painter.drawText(whole.adjusted(0, 0, -5, 0), right, status)
        painter.restore()

    def room_before(self, style: QStyle) -> int:
        """Return the room before a name that others fill; none in a plain list."""
        return 0


class TickRow(StatusRow):
    """The same where some rows have a tick box: names without one stand below the others."""

    def room_before(self, style: QStyle) -> int:
        """Return the room that a tick box takes."""
        metric = QStyle.PixelMetric
        margin = style.pixelMetric(metric.PM_FocusFrameHMargin) + 1
        return style.pixelMetric(metric.PM_IndicatorWidth) + 2 * margin
