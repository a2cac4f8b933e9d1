"""The pictures: real PNG files, right counts, and no global state of matplotlib."""

import sys

import numpy as np
import pytest
from matplotlib import image

from fx.errors import FileError, FxValueError
from fx.train import plots


@pytest.mark.parametrize(
    ("losses", "accuracies"),
    [
        ([], []),
        ([2.3], []),
        ([2.3, 1.0, 0.0], [0.5]),
        ([0.0, 0.0], [0.0, 1.0]),
        (np.geomspace(2, 1e-3, 300).tolist(), np.linspace(0.1, 0.99, 30).tolist()),
    ],
)
def test_learning_curves(tmp_path, losses, accuracies):
    plots.learning_curves(tmp_path / "a.png", losses, accuracies, 10)
    picture = image.imread(tmp_path / "a.png")
    assert picture.shape[0] > 300 and picture.shape[1] > 600
    assert len(np.unique(picture)) > 10


def test_confusion_matrix_counts(tmp_path):
    labels = np.array([0, 0, 1, 2, 2, 2])
    predictions = np.array([0, 1, 1, 2, 0, 2])
    counts = plots.confusion_matrix(tmp_path / "a.png", labels, predictions, classes=3)
    assert counts.tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 2]]
    assert image.imread(tmp_path / "a.png").ndim == 3


def test_a_class_that_never_occurs(tmp_path):
    counts = plots.confusion_matrix(tmp_path / "a.png", np.zeros(3, int), np.zeros(3, int))
    assert counts.sum() == counts[0, 0] == 3


def test_different_lengths(tmp_path):
    with pytest.raises(FxValueError, match=r"one shape \(n,\), got \(3,\) and \(2,\)"):
        plots.confusion_matrix(tmp_path / "a.png", np.zeros(3, int), np.zeros(2, int))


def test_a_folder_that_does_not_exist(tmp_path):
    with pytest.raises(FileError, match="cannot write"):
        plots.learning_curves(tmp_path / "nowhere" / "a.png", [1.0], [], 1)


def test_pyplot_is_not_touched(tmp_path):
    plots.learning_curves(tmp_path / "a.png", [1.0], [0.5], 1)
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or not pyplot.get_fignums()
