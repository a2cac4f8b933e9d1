"""Batches of arrays, prepared by a background thread while the consumer computes."""

import queue
import threading
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Any

import numpy as np

from fx.errors import FxTypeError, FxValueError

Batch = tuple[np.ndarray, ...]


def batches(
    arrays: Sequence[np.ndarray],
    batch_size: int,
    *,
    rng: np.random.Generator | None = None,
    shuffle: bool = True,
    drop_remainder: bool = False,
    transform: Callable[[Batch, np.random.Generator], Any] | None = None,
    start: int = 0,
    prefetch: int = 2,
) -> Generator[Any, None, None]:
    """Yields the arrays in batches of rows, one pass.

    A background thread selects and transforms up to `prefetch` batches ahead. It ends with the
    iteration, also when the consumer stops early or raises; an error in it is raised in the
    consumer.

    Args:
        arrays: NumPy arrays with the same leading axis.
        batch_size: rows a batch; the last batch is smaller unless `drop_remainder`.
        rng: source of the order and of one independent generator a batch, so a batch depends only
            on this generator's seed and on its position, never on timing. Needed with `shuffle`.
        shuffle: whether to permute the rows.
        drop_remainder: whether to leave out a last batch with fewer rows.
        transform: called in the thread with a batch and that batch's generator (or a fresh one
            seeded 0 without `rng`); what it returns is yielded in the batch's place.
        start: skips so many batches, without preparing them; the others come out the same.
        prefetch: how many batches to prepare ahead; 0 uses no thread.

    Raises:
        FxValueError: lengths differ, `batch_size < 1`, or `shuffle` without `rng`.
        FxTypeError: an array is no NumPy array.

    >>> import numpy as np
    >>> x = np.arange(5)
    >>> [batch.tolist() for (batch,) in batches([x], 2, shuffle=False)]
    [[0, 1], [2, 3], [4]]
    >>> sorted(
    ...     np.concatenate([b for (b,) in batches([x], 2, rng=np.random.default_rng(0))]).tolist()
    ... )
    [0, 1, 2, 3, 4]
    """
    arrays = tuple(arrays)
    for array in arrays:
        if not isinstance(array, np.ndarray) or array.ndim == 0:
            raise FxTypeError(
                "batches: expected a sequence of NumPy arrays with a leading axis, got "
                f"{type(array).__name__}; convert with numpy.asarray"
            )
    lengths = [len(array) for array in arrays]
    if not arrays or len(set(lengths)) != 1:
        raise FxValueError(
            f"batches: expected arrays of equal length along their first axis, got {lengths}"
        )
    if batch_size < 1:
        raise FxValueError(f"batches: expected batch_size >= 1, got {batch_size}")
    if shuffle and rng is None:
        raise FxValueError(
            "batches: expected a generator to shuffle with, got rng=None; pass "
            "rng=numpy.random.default_rng(seed), or shuffle=False"
        )
    # Checks above run at the call, not at the first `next`.
    if rng is None:
        rng = np.random.default_rng(0)
    prepared = _prepare(
        arrays,
        batch_size,
        rng,
        shuffle=shuffle,
        drop=drop_remainder,
        transform=transform,
        start=start,
    )
    return prefetched(prepared, prefetch) if prefetch > 0 else prepared


def _prepare(arrays, batch_size, rng, *, shuffle, drop, transform, start):
    rows = len(arrays[0])
    order = rng.permutation(rows) if shuffle else np.arange(rows)
    count = rows // batch_size if drop else -(-rows // batch_size)
    generators = rng.spawn(count)
    for position in range(start, count):
        selected = order[position * batch_size : (position + 1) * batch_size]
        batch = tuple(array[selected] for array in arrays)
        yield batch if transform is None else transform(batch, generators[position])


_END = object()


def prefetched(items: Iterable[Any], ahead: int = 2) -> Generator[Any, None, None]:
    """Runs an iterator in a background thread, at most `ahead` items in front of the consumer.

    >>> list(prefetched(iter(range(3))))
    [0, 1, 2]
    """
    ready: queue.Queue[tuple[Any, BaseException | None]] = queue.Queue(maxsize=ahead)
    stop = threading.Event()

    def put(entry) -> bool:
        """Waits for room, but not beyond the consumer's end."""
        while not stop.is_set():
            try:
                ready.put(entry, timeout=0.05)
                return True
            except queue.Full:
                continue
        return False

    def produce():
        try:
            for item in items:
                if not put((item, None)):
                    return
            put((_END, None))
        except BaseException as error:  # re-raised in the consumer
            put((_END, error))

    thread = threading.Thread(target=produce, name="fx-prefetch", daemon=True)
    thread.start()
    try:
        while True:
            item, error = ready.get()
            if error is not None:
                raise error
            if item is _END:
                return
            yield item
    finally:
        stop.set()
        thread.join()
