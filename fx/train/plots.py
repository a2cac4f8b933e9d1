"""Pictures of a training run: learning curves and a confusion matrix, as PNG files.

Figures are made as objects and drawn by the Agg canvas, so no window system, no pyplot state and no
style of the calling program is involved.
"""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

from fx.errors import FxValueError
from fx.train.files import replacing

_BLUE, _ORANGE, _GREY = "#2563a8", "#d1600a", "#8a8f98"


def learning_curves(
    path: str | Path, losses: Sequence[float], accuracies: Sequence[float], steps_per_epoch: int
) -> None:
    """Draws the loss of every step, its running mean, and each epoch's test accuracy.

    Args:
        path: the PNG file to write.
        losses: one training loss a step.
        accuracies: one test accuracy (0 to 1) an epoch, fewer than the epochs begun is fine.
        steps_per_epoch: places the accuracies on the axis of the steps.

    Raises:
        FileError: the file cannot be written.
    """
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    epochs = np.arange(1, len(losses) + 1) / steps_per_epoch
    left.plot(epochs, losses, color=_GREY, alpha=0.35, linewidth=0.8, label="each step")
    if len(losses):
        left.plot(epochs, _running_mean(losses), color=_BLUE, label="running mean")
        left.legend(frameon=False)
    if any(loss > 0 for loss in losses):
        left.set_yscale("log")
        left.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        left.yaxis.set_major_formatter(FormatStrFormatter("%g"))
        left.yaxis.set_minor_formatter(NullFormatter())
    left.set(title="Training loss", xlabel="epoch", ylabel="loss (logarithmic)")

    right.plot(
        range(1, len(accuracies) + 1), 100 * np.asarray(accuracies), color=_ORANGE, marker="o"
    )
    if len(accuracies):
        last = 100 * accuracies[-1]
        right.annotate(
            f"{last:.1f} %",
            (len(accuracies), last),
            (0, -16),
            ha="right",
            textcoords="offset points",
        )
        right.set_xticks(np.unique(np.linspace(1, len(accuracies), 11).astype(int)))
    right.set(title="Test accuracy", xlabel="epoch", ylabel="test digits read correctly, %")
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
    _write(figure, path)


def confusion_matrix(
    path: str | Path, labels: np.ndarray, predictions: np.ndarray, classes: int = 10
) -> np.ndarray:
    """Draws how often each true class was taken for each class.

    Args:
        path: the PNG file to write.
        labels, predictions: int arrays (n,) with values from 0 to `classes - 1`.
        classes: how many there are.

    Returns:
        The counts, int (classes, classes): row = true class, column = predicted class.

    Raises:
        FxValueError: the two arrays differ in shape.
        FileError: the file cannot be written.
    """
    labels, predictions = np.asarray(labels), np.asarray(predictions)
    if labels.shape != predictions.shape or labels.ndim != 1:
        raise FxValueError(
            "confusion_matrix: expected labels and predictions of one shape (n,), got "
            f"{labels.shape} and {predictions.shape}"
        )
    counts = np.bincount(labels * classes + predictions, minlength=classes**2)
    counts = counts.reshape(classes, classes)

    figure = Figure(figsize=(5.6, 5.6), layout="constrained")
    axes = figure.subplots()
    # Errors are what one looks for, and the diagonal would drown them: colours follow the square
    # root of each row's share.
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    axes.imshow(np.sqrt(shares), cmap="Blues", vmin=0, vmax=1)
    for row, column in np.argwhere(counts):
        dark = shares[row, column] > 0.3
        axes.text(
            column, row, str(counts[row, column]), ha="center", va="center",
            color="white" if dark else "black", fontsize=9,
        )  # fmt: skip
    wrong = len(labels) - np.trace(counts)
    axes.set(
        title=f"Test digits: {wrong} of {len(labels):,} wrong",
        xlabel="predicted digit",
        ylabel="true digit",
        xticks=range(classes),
        yticks=range(classes),
    )
    axes.tick_params(length=0)
    _write(figure, path)
    return counts


def _running_mean(values: Sequence[float], window: int = 25) -> np.ndarray:
    """The mean of the last `window` values (of fewer at the start)."""
    total = np.concatenate([[0.0], np.cumsum(values)])
    end = np.arange(1, len(total))
    start = np.maximum(0, end - window)
    return (total[end] - total[start]) / (end - start)


def _write(figure: Figure, path: str | Path) -> None:
    content = io.BytesIO()
    FigureCanvasAgg(figure).print_png(content)
    with replacing(path) as file:
        file.write(content.getvalue())
