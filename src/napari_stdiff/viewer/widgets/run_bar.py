"""Run, the bar with stage, time left and loss, Cancel, and errors in one sentence."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QApplication,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from ...compute.monitor import Progress
from ..worker import Problem

_SCALE = 1000


class ProblemBox(QWidget):
    """One sentence in red; its details unfold and can be copied."""

    def __init__(self) -> None:
        super().__init__()
        self.sentence = QLabel()
        self.sentence.setWordWrap(True)
        self.sentence.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.sentence.setStyleSheet("color: #ff7b72;")
        self.details = QPlainTextEdit()
        self.details.setReadOnly(True)
        self.details.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.details.setFixedHeight(120)
        self.show_details = QPushButton("Details")
        self.show_details.setCheckable(True)
        self.copy = QPushButton("Copy")
        self.show_details.toggled.connect(self.details.setVisible)
        self.copy.clicked.connect(self._copy)
        row = QHBoxLayout()
        row.addWidget(self.show_details)
        row.addWidget(self.copy)
        row.addStretch(1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.sentence)
        column.addLayout(row)
        column.addWidget(self.details)
        self.show_problem(None)

    def show_problem(self, problem: Problem | None) -> None:
        """Show `problem`, or nothing."""
        self.setVisible(problem is not None)
        self.show_details.setChecked(False)
        self.details.setVisible(False)
        if problem is not None:
            self.sentence.setText(problem.sentence)
            self.details.setPlainText(problem.details)

    def _copy(self) -> None:
        clipboard = QApplication.clipboard()
        if clipboard is not None:
            clipboard.setText(f"{self.sentence.text()}\n\n{self.details.toPlainText()}")


class RunBar(QWidget):
    """Emits `run` and `cancel`; shows what it is told."""

    run = Signal()
    cancel = Signal()

    def __init__(self, title: str = "Run") -> None:
        super().__init__()
        self.run_button = QPushButton(title)
        self.cancel_button = QPushButton("Cancel")
        self.bar = QProgressBar()
        self.bar.setRange(0, _SCALE)
        self.bar.setFormat("%p %")
        self.words = QLabel()
        self.words.setWordWrap(True)
        self.words.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self.words.setMinimumHeight(2 * self.words.fontMetrics().lineSpacing() + 2)
        self.problem = ProblemBox()
        self.run_button.clicked.connect(self.run.emit)
        self.cancel_button.clicked.connect(self._cancel)
        row = QHBoxLayout()
        row.addWidget(self.run_button, 2)
        row.addWidget(self.cancel_button, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addLayout(row)
        column.addWidget(self.bar)
        column.addWidget(self.words)
        column.addWidget(self.problem)
        self.set_running(False)

    @property
    def is_running(self) -> bool:
        """Whether something is shown to run."""
        return self._running

    def set_usable(self, usable: bool) -> None:
        """Show the buttons, or hide them while there is nothing to run on."""
        self.run_button.setVisible(usable)
        self.cancel_button.setVisible(usable)

    def set_running(self, running: bool, words: str = "") -> None:
        """Show that something runs, or that nothing does."""
        self._running = running
        self.run_button.setEnabled(not running)
        self.cancel_button.setEnabled(running)
        self.bar.setVisible(running)
        self.words.setVisible(bool(words))
        self.words.setText(words)
        if running:
            self.bar.setValue(0)
            self.problem.show_problem(None)

    def show_progress(self, progress: Progress) -> None:
        """Show stage, time left and detail."""
        if not self.cancel_button.isEnabled():
            return  # "Cancelling" stays in sight
        self.bar.setValue(round(_SCALE * progress.fraction))
        self.words.setVisible(True)
        self.words.setText(words_of(progress))

    def show_problem(self, problem: Problem) -> None:
        """Show an error."""
        self.set_running(False)
        self.problem.show_problem(problem)

    def _cancel(self) -> None:
        self.cancel_button.setEnabled(False)
        self.words.setVisible(True)
        self.words.setText("Cancelling …")
        self.cancel.emit()


def words_of(progress: Progress) -> str:
    """Put progress into one line: stage, step, time left, detail."""
    parts = [f"{progress.stage} {progress.done}/{progress.total}"]
    if progress.eta_seconds is not None:
        parts.append(f"{duration(progress.eta_seconds)} left")
    if progress.message:
        parts.append(progress.message)
    return " · ".join(parts)


def duration(seconds: float) -> str:
    """Put a number of seconds into words that are as precise as anybody needs."""
    if seconds < 1:
        return "under a second"
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
