"""The loader: each row once, the same for the same seed, and no thread that outlives it."""

import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fx.data import batches
from fx.data.loader import prefetched
from fx.errors import FxTypeError, FxValueError


def rng(seed=0):
    return np.random.default_rng(seed)


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "fx-prefetch"]


@given(
    rows=st.integers(0, 20),
    size=st.integers(1, 8),
    drop=st.booleans(),
    shuffle=st.booleans(),
    prefetch=st.integers(0, 2),
)
def test_each_row_comes_once_and_columns_stay_together(rows, size, drop, shuffle, prefetch):
    x, y = np.arange(rows), np.arange(rows) * 10
    got = list(
        batches([x, y], size, rng=rng(), shuffle=shuffle, drop_remainder=drop, prefetch=prefetch)
    )
    assert [len(a) for a, _ in got[:-1]] == [size] * (len(got) - 1)
    assert len(got) == (rows // size if drop else -(-rows // size))
    seen = np.concatenate([a for a, _ in got]) if got else x[:0]
    assert all((10 * a == b).all() for a, b in got)
    if shuffle:
        assert len(set(seen.tolist())) == len(seen) == (rows - rows % size if drop else rows)
    else:
        assert seen.tolist() == list(range(len(seen)))
    assert not threads()


def noisy(batch, generator):
    return batch[0], generator.standard_normal(3)


@given(start=st.integers(0, 6), prefetch=st.integers(0, 3))
def test_a_later_start_gives_the_same_batches(start, prefetch):
    """Exact resumption in the middle of an epoch rests on this."""
    options = {"rng": rng(5), "transform": noisy}
    whole = list(batches([np.arange(17)], 4, prefetch=0, **options))
    options["rng"] = rng(5)
    rest = list(batches([np.arange(17)], 4, start=start, prefetch=prefetch, **options))
    assert len(rest) == max(0, 5 - start)
    for expected, got in zip(whole[start:], rest, strict=True):
        np.testing.assert_array_equal(expected[0], got[0])
        np.testing.assert_array_equal(expected[1], got[1])


def test_batches_have_different_generators():
    noise = [n for _, n in batches([np.arange(8)], 2, rng=rng(), transform=noisy)]
    assert len({n.tobytes() for n in noise}) == 4


def test_an_error_in_the_thread_is_raised_in_the_consumer():
    def fail(batch, _generator):
        if 4 in batch[0]:
            raise ZeroDivisionError("at four")
        return batch

    seen = []
    with pytest.raises(ZeroDivisionError, match="at four"):
        for (batch,) in batches([np.arange(8)], 2, shuffle=False, transform=fail):
            seen.append(batch.tolist())
    assert seen == [[0, 1], [2, 3]]
    assert not threads()


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_the_thread_ends_when_the_consumer_raises(error):
    iterator = batches([np.arange(1000)], 1, shuffle=False)

    def consume():
        try:
            for _ in iterator:
                raise error
        finally:
            iterator.close()

    with pytest.raises(error):
        consume()
    assert not threads()


def test_stays_at_most_so_far_ahead():
    made = []

    def count():
        for number in range(100):
            made.append(number)
            yield number

    iterator = prefetched(count(), ahead=2)
    assert next(iterator) == 0
    deadline = time.monotonic() + 5
    while len(made) < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.1)
    assert len(made) == 4  # one consumed, two waiting, one in the producer's hands
    iterator.close()
    assert not threads()


def test_nothing_starts_before_the_first_batch_is_asked_for():
    batches([np.arange(3)], 1, shuffle=False)
    assert not threads()


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        (([np.arange(3), np.arange(4)], 2), {}, FxValueError, r"equal length .* \[3, 4\]"),
        (([], 2), {}, FxValueError, "equal length"),
        (([np.arange(3)], 0), {}, FxValueError, "batch_size >= 1"),
        (([np.arange(3)], 2), {"shuffle": True}, FxValueError, "rng=None"),
        (([[1, 2]], 2), {}, FxTypeError, "got list"),
        (([np.array(1)], 2), {}, FxTypeError, "leading axis"),
    ],
)
def test_bad_arguments_are_refused_at_the_call(arguments, options, error, message):
    with pytest.raises(error, match=message):
        batches(*arguments, **{"shuffle": False, **options})
