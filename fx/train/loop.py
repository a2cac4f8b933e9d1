"""The training loop: epochs with a progress bar, and a state on disk that resumes exactly.

Whatever is random in a step follows from the seed and the step's number, so a run that was stopped
and resumed computes the same numbers as one that was not.
"""

import contextlib
import math
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

import fx
from fx.data import Digits, batches
from fx.errors import FileError, FxError, FxValueError
from fx.train import checkpoint, plots
from fx.train.config import Config
from fx.train.digits import AUGMENT, Programs, State, build

CHECKPOINT = "checkpoint.safetensors"
_PREDICT_CHUNK = 250  # images at once; the activations of the whole test set would fill the caches


class Interrupted(FxError):
    """Ctrl-C ended the run between two steps; the state is on disk."""


class Diverged(FxError, ArithmeticError):
    """The loss is no longer finite."""


@dataclass
class Progress:
    """What a run has reached: the state, and one number a step or an epoch."""

    state: State
    losses: list[float] = field(default_factory=list)
    accuracies: list[float] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(frozen=True)
class Report:
    """What a finished run has to show."""

    accuracy: float
    images_per_second: float
    files: tuple[Path, ...]


def train(
    config: Config, digits: Digits, out: Path, *, resume: bool = False, device: Any = None
) -> Report:
    """Trains the network of `fx.train.digits` and writes weights and pictures into `out`.

    Args:
        config: the options.
        digits: the data.
        out: an existing folder; the state is kept there after every epoch.
        resume: continue from the state in `out`, which must come from the same options and data.
        device: where the state lives and the steps run; None for the default.

    Raises:
        Interrupted: Ctrl-C; the state was saved. A second Ctrl-C stops at once.
        Diverged: the loss became infinite or NaN.
        FileError: `out` cannot be written, or (resuming) holds no state that fits.
        FxValueError: the batch is larger than the data.
    """
    steps_per_epoch = len(digits.train_images) // config.batch_size
    if steps_per_epoch == 0:
        raise FxValueError(
            f"train: expected a batch size of at most {len(digits.train_images)}, the number of "
            f"training images, got {config.batch_size}"
        )
    programs = build(config, steps_per_epoch * config.epochs)
    progress = Progress(programs.init(digits.train_images[:1]))
    path = out / CHECKPOINT
    if resume:
        progress = _restore(path, progress.state, config, len(digits.train_images))
    progress.state = fx.device_put(progress.state, device)

    def save():
        about = {
            "config": asdict(config),
            "train_images": len(digits.train_images),
            "losses": progress.losses,
            "accuracies": progress.accuracies,
            "seconds": progress.seconds,
        }
        checkpoint.save(path, progress.state, about)

    with _interruptible() as interrupt:
        while len(progress.accuracies) < config.epochs:
            with _bar(config, progress, steps_per_epoch) as bar:
                _epoch(config, digits, programs, progress, bar, steps_per_epoch, interrupt)
                if not interrupt.is_set():
                    predictions = predict(programs, progress.state.params, digits.test_images)
                    accuracy = float(np.mean(predictions == digits.test_labels))
                    progress.accuracies.append(accuracy)
                    bar.set_postfix_str(_postfix(progress, accuracy))
            save()
            if interrupt.is_set() and len(progress.accuracies) < config.epochs:
                raise Interrupted(
                    f"stopped in epoch {len(progress.accuracies) + 1} of {config.epochs}, after "
                    f"step {len(progress.losses)}; the state is in {path}"
                )
        return _report(digits, out, programs, progress, config)


def predict(programs: Programs, params: Any, images: np.ndarray) -> np.ndarray:
    """The network's class for each image, computed in chunks."""
    chunks = range(0, len(images), _PREDICT_CHUNK)
    return np.concatenate(
        [np.asarray(programs.predict(params, images[i : i + _PREDICT_CHUNK])) for i in chunks]
    )


def _epoch(config, digits, programs, progress, bar, steps_per_epoch, interrupt):
    """The steps that are left of the current epoch, until done or interrupted."""
    epoch = len(progress.accuracies)
    source = batches(
        (digits.train_images, digits.train_labels),
        config.batch_size,
        rng=np.random.default_rng([config.seed, epoch]),
        drop_remainder=True,
        transform=lambda batch, rng: (AUGMENT(batch[0], rng), batch[1]),
        start=len(progress.losses) - epoch * steps_per_epoch,
    )
    began = time.perf_counter()
    with contextlib.closing(source):  # ends its thread also when a step raises
        for images, labels in source:
            if interrupt.is_set():
                break
            state, loss = programs.step(progress.state, images, labels)
            loss = float(loss)
            if not math.isfinite(loss):
                raise Diverged(
                    f"the loss is {loss} at step {len(progress.losses) + 1}; try a lower learning "
                    f"rate than {config.learning_rate:g}"
                )
            progress.state = state
            progress.losses.append(loss)
            bar.set_postfix_str(_postfix(progress), refresh=False)
            bar.update()
    progress.seconds += time.perf_counter() - began


def _bar(config, progress, steps_per_epoch):
    epoch = len(progress.accuracies)
    return tqdm(
        total=steps_per_epoch,
        initial=len(progress.losses) - epoch * steps_per_epoch,
        desc=f"epoch {epoch + 1}/{config.epochs}",
        unit="step",
        dynamic_ncols=True,
        bar_format="{desc} {percentage:3.0f}% |{bar:20}| {elapsed}<{remaining}{postfix}",
    )


def _postfix(progress, accuracy=None):
    shown = f"loss {np.mean(progress.losses[-20:]):.4f}"
    return shown if accuracy is None else f"{shown}, test accuracy {100 * accuracy:.1f} %"


def _restore(path, state, config, train_images) -> Progress:
    about = checkpoint.load_metadata(path)
    if Config(**about.get("config", {})) != config or about.get("train_images") != train_images:
        raise FileError(
            f"train: {str(path)!r} was saved by a run with other options or data; resume it with "
            "the same ones, or start anew without resuming"
        )
    return Progress(
        checkpoint.load(path, state), about["losses"], about["accuracies"], about["seconds"]
    )


def _report(digits, out, programs, progress, config) -> Report:
    weights, curves, matrix = (
        out / name for name in ("weights.safetensors", "curves.png", "confusion.png")
    )
    checkpoint.save(weights, progress.state.params)
    steps_per_epoch = len(digits.train_images) // config.batch_size
    plots.learning_curves(curves, progress.losses, progress.accuracies, steps_per_epoch)
    predictions = predict(programs, progress.state.params, digits.test_images)
    plots.confusion_matrix(matrix, digits.test_labels, predictions)
    return Report(
        accuracy=progress.accuracies[-1],
        images_per_second=len(progress.losses) * config.batch_size / max(progress.seconds, 1e-9),
        files=(weights, curves, matrix, out / CHECKPOINT),
    )


@contextlib.contextmanager
def _interruptible() -> Iterator[threading.Event]:
    """Ctrl-C sets the event, which is looked at between steps; a second one stops at once."""
    requested = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield requested  # Python delivers signals to the main thread only
        return

    def handle(*_):
        if requested.is_set():
            raise KeyboardInterrupt
        requested.set()

    former = signal.signal(signal.SIGINT, handle)
    try:
        yield requested
    finally:
        signal.signal(signal.SIGINT, former)
