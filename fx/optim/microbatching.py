"""Functions of large batches, computed in parts one after the other."""

from __future__ import annotations

import enum
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import fx.numpy as jnp
from fx import dtypes, lax
from fx import tree as trees
from fx.calls.jit import eval_shape
from fx.errors import FxTypeError, FxValueError, ShapeError, checked, public
from fx.optim.base import Tree
from fx.transforms.grad import value_and_grad
from fx.transforms.mapping import vmap


class AccumulationType(enum.Enum):
    """What becomes of the results of the parts."""

    MEAN = enum.auto()  # their mean
    SUM = enum.auto()  # their sum
    RUNNING_MEAN = enum.auto()  # the mean of those that were computed
    CONCAT = enum.auto()  # one after the other along the first axis, in the order of the batch


@dataclass(frozen=True)
class Accumulator:
    """How the results of the parts become one result.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> largest = optim.microbatching.Accumulator(
        ...     init=lambda x: jnp.full(x.shape, -jnp.inf, x.dtype),
        ...     update=lambda best, x, i: jnp.maximum(best, x),
        ...     finalize=lambda best: best,
        ...     aggregate=lambda xs: jnp.max(xs, axis=0),
        ... )
        >>> optim.microbatch(jnp.max, 0, 2, largest)(jnp.array([1.0, 7.0, 3.0, 4.0]))
        Array(7., dtype=float32)
    """

    init: Callable[[Any], Any]  # from the shape and dtype of a result
    update: Callable[[Any, Any, Any], Any]  # of (results so far, result, number of the part)
    finalize: Callable[[Any], Any]
    aggregate: Callable[[Any], Any]  # of results stacked along the first axis


@public
def reshape_batch_axis(tree: Tree, microbatch_size: int, axis: int = 0) -> Any:
    """A batch axis as two: parts, and examples of a part.

    Args:
        tree: a pytree of arrays.
        microbatch_size: how many examples a part has.
        axis: the batch axis.

    Returns:
        a pytree of the same structure. Part i has every n-th example from the i-th on, n the
        number of parts.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx.optim.microbatching import reshape_batch_axis
        >>> reshape_batch_axis(jnp.arange(6), 2)
        Array([[0, 3],
               [1, 4],
               [2, 5]], dtype=int32)
    """

    def split(x: Any) -> Any:
        own = jnp.shape(x)
        shape = (*own[:axis], microbatch_size, -1, *own[axis + 1 :])
        return jnp.swapaxes(jnp.reshape(x, shape), axis, axis + 1)

    return trees.map(split, tree)


def _accumulator(kind: AccumulationType | Accumulator, parts: int) -> Accumulator:
    if isinstance(kind, Accumulator):
        return kind

    def zeros(x: Any) -> Any:
        if kind in (AccumulationType.MEAN, AccumulationType.RUNNING_MEAN) and not (
            dtypes.is_inexact(x.dtype)
        ):
            raise FxTypeError(
                f"optim.microbatch: got results of dtype {x.dtype}, expected floats for a mean."
            )
        return jnp.zeros(x.shape, x.dtype)

    def add(total: Any, x: Any, i: Any) -> Any:
        return total + x

    def same(x: Any) -> Any:
        return x

    def mean(x: Any) -> Any:
        return jnp.mean(x, axis=0)

    def approach(average: Any, x: Any, i: Any) -> Any:
        return average + (x - average) / jnp.astype(i + 1, x.dtype)

    def stacked(x: Any) -> Any:
        return jnp.zeros((parts, *x.shape), x.dtype)

    def unstack(x: Any) -> Any:
        # Part i has every parts-th example from the i-th on.
        return jnp.reshape(jnp.swapaxes(x, 0, 1), (-1, *x.shape[2:]))

    kinds = {
        AccumulationType.SUM: Accumulator(zeros, add, same, lambda x: jnp.sum(x, axis=0)),
        AccumulationType.MEAN: Accumulator(zeros, add, lambda x: x / parts, mean),
        AccumulationType.RUNNING_MEAN: Accumulator(zeros, approach, same, mean),
        AccumulationType.CONCAT: Accumulator(
            stacked, lambda total, x, i: total.at[i].set(x), unstack, same
        ),
    }
    if kind not in kinds:
        raise FxTypeError(
            f"optim.microbatch: got the accumulator {kind!r}, expected an AccumulationType."
        )
    return kinds[kind]


@checked
def microbatch(
    fun: Callable[..., Any],
    argnums: int | Sequence[int],
    microbatch_size: int | None,
    accumulator: Any = AccumulationType.SUM,
    *,
    argnames: str | Sequence[str] = (),
    in_axes: int | Sequence[int] = 0,
    num_real_microbatches: Any = None,
) -> Callable[..., Any]:
    """A function of a batch, computed in parts, which need less memory.

    Args:
        fun: a function of arrays with a batch axis.
        argnums: the positions of the arguments that have it.
        microbatch_size: how many examples a part has, a divisor of the batch's; None for one part.
        accumulator: an `AccumulationType`, or a pytree of them for parts of the result.
        argnames: the names of keyword arguments that have the axis.
        in_axes: the axis, or one for each of these arguments.
        num_real_microbatches: how many parts are computed; None for all.

    Returns:
        a function with the arguments of fun.

    Raises:
        FxValueError: microbatch_size does not divide the batch.
        ShapeError: the arguments have batches of several sizes.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> f = optim.microbatch(lambda x: jnp.sum(x**2), argnums=0, microbatch_size=2)
        >>> f(jnp.arange(6.0))
        Array(55., dtype=float32)
    """
    if microbatch_size is None:
        return fun
    size = microbatch_size
    positions = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    names = (argnames,) if isinstance(argnames, str) else tuple(argnames)
    count = len(positions) + len(names)
    axes = (in_axes,) * count if isinstance(in_axes, int) else tuple(in_axes)

    @public
    def function(*args: Any, **kwargs: Any) -> Any:
        if any(i >= len(args) for i in positions) or not set(names) <= set(kwargs):
            raise FxTypeError(
                f"optim.microbatch: the call lacks a batched argument; they are argnums={argnums} "
                f"and argnames={argnames}."
            )
        for axis, batch in zip(axes, [args[i] for i in positions], strict=False):
            if any(not -jnp.ndim(x) <= axis < jnp.ndim(x) for x in trees.leaves(batch)):
                raise ShapeError(f"optim.microbatch: a batched argument has no axis {axis}.")
        batches = [args[i] for i in positions] + [kwargs[name] for name in names]
        sizes = {
            x.shape[axis]
            for axis, batch in zip(axes, batches, strict=True)
            for x in trees.leaves(batch)
        }
        if len(sizes) != 1:
            raise ShapeError(
                f"optim.microbatch: got batches of sizes {sorted(sizes)}, expected one size."
            )
        (total,) = sizes
        if total % size:
            raise FxValueError(
                f"optim.microbatch: got a batch of {total} examples and microbatch_size={size}, "
                "expected a divisor."
            )
        parts = total // size

        pieces = [
            reshape_batch_axis(batch, size, axis) for axis, batch in zip(axes, batches, strict=True)
        ]

        def part(i: Any) -> Any:
            chosen = [
                trees.map(lambda x, axis=axis: jnp.take(x, i, axis=axis), piece)
                for axis, piece in zip(axes, pieces, strict=True)
            ]
            new = list(args)
            for position, value in zip(positions, chosen[: len(positions)], strict=True):
                new[position] = value
            words = dict(zip(names, chosen[len(positions) :], strict=True))
            return fun(*new, **{**kwargs, **words})

        def each(method: str, *results: Any, extra: tuple[Any, ...] = ()) -> Any:
            """A method of every accumulator, on the leaves of its part of the result."""

            def on_part(kind: Any, *subtrees: Any) -> Any:
                f = getattr(_accumulator(kind, parts), method)
                return trees.map(lambda *leaves: f(*leaves, *extra), *subtrees)

            return trees.map(on_part, accumulator, *results)

        def body(i: Any, carry: Any) -> Any:
            return each("update", carry, part(i), extra=(i,))

        start = each("init", eval_shape(part, 0))
        bound = parts if num_real_microbatches is None else num_real_microbatches
        return each("finalize", lax.fori_loop(0, bound, body, start))

    return function


@checked
def micro_vmap(
    fun: Callable[..., Any],
    in_axes: int | Sequence[int | None] = 0,
    out_axes: int = 0,
    *,
    microbatch_size: int | None = None,
    vmap_fn: Callable[..., Any] = vmap,
    accumulator: Any = AccumulationType.CONCAT,
    num_real_microbatches: Any = None,
) -> Callable[..., Any]:
    """`fx.vmap` in parts, whose results may be added up at once.

    Args:
        fun: a function of one example.
        in_axes: the batch axis of each argument; None for arguments without.
        out_axes: 0.
        microbatch_size: how many examples a part has, a divisor of the batch's; None for all.
        vmap_fn: what maps over a part.
        accumulator: an `AccumulationType`, or a pytree of them for parts of the result.
        num_real_microbatches: how many parts are computed; None for all.

    Returns:
        a function of batches. Keyword arguments are mapped over their first axis.

    Raises:
        FxValueError: out_axes is not 0, or microbatch_size does not divide the batch.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> f = optim.microbatching.micro_vmap(lambda x: x**2, microbatch_size=2)
        >>> f(jnp.arange(4.0))
        Array([0., 1., 4., 9.], dtype=float32)
    """
    if out_axes != 0:
        raise FxValueError(f"optim.micro_vmap: got out_axes={out_axes}, expected 0.")
    axes = (in_axes,) if isinstance(in_axes, int) else tuple(in_axes)

    def reduced(*args: Any, kwargs: dict[str, Any]) -> Any:
        out = vmap_fn(fun, axes, 0)(*args, **kwargs)

        def on_part(kind: Any, subtree: Any) -> Any:
            return trees.map(_accumulator(kind, 1).aggregate, subtree)

        return trees.map(on_part, accumulator, out)

    mapped = [(i, axis) for i, axis in enumerate(axes) if axis is not None]
    inner = microbatch(
        reduced,
        [i for i, _ in mapped],
        microbatch_size,
        accumulator,
        argnames=("kwargs",),
        in_axes=[axis for _, axis in mapped] + [0],
        num_real_microbatches=num_real_microbatches,
    )
    return lambda *args, **kwargs: inner(*args, kwargs=kwargs)


class IndividualOutputs(NamedTuple):
    """For each example the value, the metrics of its gradient, and what else the loss gave."""

    values: Any
    metrics: Any
    aux: Any


@checked
def micro_grad(
    fun: Callable[..., Any],
    has_aux: bool = False,
    argnums: int | Sequence[int] = 0,
    *,
    batch_argnums: int | Sequence[int] = 1,
    keep_batch_dim: bool = True,
    microbatch_size: int | None = None,
    accumulator: Any = AccumulationType.SUM,
    transform_fn: Callable[[Any], Any] = lambda grad: grad,
    metrics_fn: Callable[[Any], Any] = lambda grad: None,
    num_real_microbatches: Any = None,
) -> Callable[..., tuple[Any, IndividualOutputs]]:
    """Gradients of single examples, transformed one by one (clipped, say) and added up.

    Args:
        fun: a loss; (loss, other results) if has_aux.
        has_aux: whether it has other results.
        argnums: the arguments to derive by.
        batch_argnums: the arguments with a batch as their first axis.
        keep_batch_dim: whether fun sees an example with an axis of size 1 before it.
        microbatch_size: how many examples are computed at once, a divisor of the batch's; None for
            all.
        accumulator: what becomes of the transformed gradients.
        transform_fn: a function of an example's gradient.
        metrics_fn: a function of an example's gradient, whose results are kept.
        num_real_microbatches: how many parts are computed; None for all.

    Returns:
        a function with the arguments of fun, to (gradients, `IndividualOutputs`).

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import optim
        >>> loss = lambda w, x: jnp.sum(w * x)
        >>> f = optim.microbatching.micro_grad(loss, microbatch_size=2)
        >>> grads, each = f(jnp.array(2.0), jnp.arange(4.0))
        >>> float(grads), each.values
        (6.0, Array([0., 2., 4., 6.], dtype=float32))
    """
    batched = (batch_argnums,) if isinstance(batch_argnums, int) else tuple(batch_argnums)
    if not batched or any(not 0 <= operator.index(i) < 256 for i in batched):
        raise FxValueError(
            f"optim.micro_grad: batch_argnums must be positions of arguments, got {batch_argnums}."
        )
    loss = fun if has_aux else lambda *args, **kwargs: (fun(*args, **kwargs), None)
    derivative = value_and_grad(loss, argnums, has_aux=True)

    def one(*args: Any, **kwargs: Any) -> Any:
        (value, aux), grad = derivative(*args, **kwargs)
        return transform_fn(grad), IndividualOutputs(value, metrics_fn(grad), aux)

    in_axes = [0 if i in batched else None for i in range(max(batched) + 1)]

    @public
    def function(*args: Any, **kwargs: Any) -> Any:
        if any(i >= len(args) for i in batched):
            raise FxTypeError(
                f"optim.micro_grad: the call lacks a batched argument; they are {tuple(batched)}."
            )
        axes = in_axes + [None] * (len(args) - len(in_axes))
        inner = micro_vmap(
            one,
            axes,
            accumulator=(accumulator, AccumulationType.CONCAT),
            microbatch_size=microbatch_size,
            num_real_microbatches=num_real_microbatches,
        )
        new = list(args)
        if keep_batch_dim:
            for i in batched:
                new[i] = trees.map(lambda x: jnp.expand_dims(x, 1), args[i])
        return inner(*new, **kwargs)

    return function
