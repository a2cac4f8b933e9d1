"""Loops made of scan and while: fori_loop, map, associative_scan; and implicit differentiation
of solvers, custom_root and custom_linear_solve.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fx import dtypes
from fx.calls.closures import closure_convert
from fx.calls.custom import custom_jvp
from fx.calls.linear_solve import linear_solve_p
from fx.calls.scan import scan, scan_length
from fx.calls.while_loop import while_loop
from fx.config import config
from fx.core.array import Array, is_arraylike, to_array
from fx.core.primitive import P, lit, zeros
from fx.core.trace import Tracer
from fx.errors import FxTypeError, FxValueError, ShapeError, TreeError, public
from fx.pytree import tree_flatten, tree_map, tree_unflatten
from fx.transforms.grad import jvp, linearize
from fx.transforms.mapping import vmap
from fx.transforms.stage import name_of


def _static_int(x: Any) -> int | None:
    """The value of a bound that is known while tracing."""
    if isinstance(x, Array):
        return None if type(x) is Tracer else int(x)
    return int(x) if hasattr(x, "__index__") else None


def _index_type(low: Array, high: Array) -> tuple[np.dtype, bool]:
    """Dtype and weakness of a loop's index: a Python bound takes the dtype of the other."""
    if low.weak_type != high.weak_type:
        return (high if low.weak_type else low).dtype, False
    return dtypes.promote_types(low.dtype, high.dtype), low.weak_type


@public
def fori_loop(
    lower: Any,
    upper: Any,
    body_fun: Callable[[Any, Any], Any],
    init_val: Any,
    *,
    unroll: int | bool | None = None,
) -> Any:
    """`for i in range(lower, upper): val = body_fun(i, val)`.

    Args:
        lower, upper: integers or integer arrays of shape (). With Python integers the loop is a
            scan and differentiable in reverse mode, else a while_loop.
        body_fun: from the index (of the bounds' dtype) and the carry to a carry of the same types.
        init_val: the initial carry, arrays in a pytree.
        unroll: a hint for compilers.

    Example:
        >>> import fx
        >>> fx.lax.fori_loop(0, 5, lambda i, x: x + i, 0)
        Array(10, dtype=int32, weak_type=True)
    """
    for name, bound in (("lower", lower), ("upper", upper)):
        if not is_arraylike(bound) or to_array(bound).dtype.kind not in "iu":
            raise FxTypeError(f"fori_loop: {name} must be an integer, got {bound!r}.")
    low, high = to_array(lower), to_array(upper)
    dtype, weak = _index_type(low, high)
    start, stop = _static_int(lower), _static_int(upper)
    if start is not None and stop is not None:
        if config.disable_jit:
            val = init_val
            for i in range(start, stop):
                val = body_fun(Array(np.asarray(i, dtype), weak), val)
            return val
        first = Array(np.asarray(start, dtype), weak)

        def step(state: Any, _: Any) -> tuple[Any, None]:
            i, val = state
            return (P.add(i, lit(i, 1)), body_fun(i, val)), None

        length = max(stop - start, 0)
        return scan(step, (first, init_val), None, length=length)[0][1]

    low = P.convert_element_type(low, new_dtype=dtype, weak_type=weak)
    high = P.convert_element_type(high, new_dtype=dtype, weak_type=weak)

    def going(state: Any) -> Any:
        return P.lt(state[0], high)

    def advance(state: Any) -> Any:
        i, val = state
        return P.add(i, lit(i, 1)), body_fun(i, val)

    return while_loop(going, advance, (low, init_val))[1]


@public
def map(f: Callable[[Any], Any], xs: Any, *, batch_size: int | None = None) -> Any:
    """Apply a function to each slice along the leading axis, one after the other, and stack.

    Args:
        f: from a slice to arrays in a pytree.
        xs: arrays in a pytree with a common leading axis.
        batch_size: apply `vmap(f)` to this many slices at once: less memory than vmap, fewer
            steps than map.

    Example:
        >>> import fx, fx.numpy as jnp
        >>> fx.lax.map(lambda x: x**2, jnp.arange(3.0))
        Array([0., 1., 4.], dtype=float32)
    """
    if batch_size is None:
        scan_length(f, xs, [to_array(x, "map") for x in tree_flatten(xs)[0]], None, "map")
        return scan(lambda _, x: ((), f(x)), (), xs)[1]
    if batch_size < 1:
        raise FxValueError(f"map: batch_size must be at least 1, got {batch_size}.")
    leaves, tree = tree_flatten(xs)
    if not leaves:
        raise FxValueError("map: xs has no arrays.")
    arrays = [to_array(x, "map") for x in leaves]
    count = scan_length(f, xs, arrays, None, "map")
    whole = count // batch_size
    pieces = []
    if whole:
        blocks = [
            P.reshape(
                _rows(x, 0, whole * batch_size),
                new_sizes=(whole, batch_size, *x.shape[1:]),
            )
            for x in arrays
        ]
        out = scan(lambda _, x: ((), vmap(f)(x)), (), tree_unflatten(tree, blocks))[1]
        pieces.append(
            tree_map(
                lambda y: P.reshape(y, new_sizes=(whole * batch_size, *y.shape[2:])),
                out,
            )
        )
    if count % batch_size or not whole:
        rest = [_rows(x, whole * batch_size, count) for x in arrays]
        pieces.append(vmap(f)(tree_unflatten(tree, rest)))
    if len(pieces) == 1:
        return pieces[0]
    return tree_map(lambda a, b: P.concatenate(a, b, dimension=0), *pieces)


def _rows(x: Any, start: int, stop: int, step: int = 1, axis: int = 0) -> Any:
    """x[start:stop:step] along one axis."""
    begin, end, strides = [0] * x.ndim, list(x.shape), [1] * x.ndim
    begin[axis], end[axis], strides[axis] = start, max(stop, start), step
    return P.slice(x, start_indices=tuple(begin), limit_indices=tuple(end), strides=tuple(strides))


@public
def associative_scan(
    fn: Callable[[Any, Any], Any], elems: Any, reverse: bool = False, axis: int = 0
) -> Any:
    """All prefixes of an associative operation, in a logarithmic number of parallel steps.

    Args:
        fn: an associative function of two trees like `elems` (any size along `axis`).
        elems: arrays in a pytree of one size along `axis`.
        reverse: suffixes instead of prefixes.
        axis: the axis to scan over.

    Returns:
        A tree like `elems`: element i combines elements 0 to i (Blelloch, "Prefix sums and their
        applications", 1990).

    Example:
        >>> import fx, fx.numpy as jnp
        >>> fx.lax.associative_scan(jnp.add, jnp.arange(4))
        Array([0, 1, 3, 6], dtype=int32)
    """
    leaves, tree = tree_flatten(elems)
    arrays = [to_array(x, "associative_scan") for x in leaves]
    if not arrays:
        return elems
    rank = arrays[0].ndim
    if not -rank <= axis < rank:
        raise ShapeError(f"associative_scan: axis {axis} of an array of {rank} axes.")
    axis %= rank
    size = arrays[0].shape[axis]
    if any(x.ndim <= axis or x.shape[axis] != size for x in arrays):
        shapes = ", ".join(str(x.shape) for x in arrays)
        raise ShapeError(f"associative_scan: sizes along axis {axis} must agree, got {shapes}.")

    def combine(a: list[Any], b: list[Any]) -> list[Any]:
        out = fn(tree_unflatten(tree, a), tree_unflatten(tree, b))
        out_leaves, out_tree = tree_flatten(out)
        if out_tree != tree:
            raise TreeError(
                f"associative_scan: {name_of(fn)} must return the structure {tree}, got {out_tree}."
            )
        return [to_array(x) for x in out_leaves]

    def flip(xs: list[Any]) -> list[Any]:
        return [P.rev(x, dimensions=(axis,)) for x in xs] if reverse else xs

    def prefix(xs: list[Any]) -> list[Any]:
        n = xs[0].shape[axis]
        if n < 2:
            return xs
        # Combine neighbours, scan those, and fill in the elements between.
        pairs = combine(
            [_rows(x, 0, n - 1, 2, axis) for x in xs], [_rows(x, 1, n, 2, axis) for x in xs]
        )
        odd = prefix(pairs)
        evens = [_rows(x, 2, n, 2, axis) for x in xs]
        before = [_rows(x, 0, x.shape[axis] - (n % 2 == 0), 1, axis) for x in odd]
        even = combine(before, evens) if evens[0].shape[axis] else evens
        first = [_rows(x, 0, 1, 1, axis) for x in xs]
        even = [P.concatenate(a, b, dimension=axis) for a, b in zip(first, even, strict=True)]
        return [_interleave(a, b, axis) for a, b in zip(even, odd, strict=True)]

    return tree_unflatten(tree, flip(prefix(flip(arrays))))


def _interleave(even: Any, odd: Any, axis: int) -> Any:
    """even[0], odd[0], even[1], odd[1], ... along one axis."""
    n = odd.shape[axis]
    shape = list(even.shape)
    shape.insert(axis + 1, 1)

    def column(x: Any) -> Any:
        shape[axis] = n
        return P.reshape(x, new_sizes=tuple(shape))

    pairs = P.concatenate(column(_rows(even, 0, n, 1, axis)), column(odd), dimension=axis + 1)
    shape[axis : axis + 2] = [2 * n]
    both = P.reshape(pairs, new_sizes=tuple(shape))
    if even.shape[axis] == n:
        return both
    return P.concatenate(both, _rows(even, n, n + 1, 1, axis), dimension=axis)


# ------------------------------------------------------------------ implicit differentiation
@public
def custom_linear_solve(
    matvec: Callable[[Any], Any],
    b: Any,
    solve: Callable[[Callable[[Any], Any], Any], Any],
    transpose_solve: Callable[[Callable[[Any], Any], Any], Any] | None = None,
    symmetric: bool = False,
    has_aux: bool = False,
) -> Any:
    """Solve `matvec(x) = b`, with derivatives that solve again instead of unrolling the solver.

    Args:
        matvec: a linear function of a tree like `b`; it may close over what is differentiated.
        b: the right-hand side, arrays in a pytree.
        solve: `solve(matvec, b) -> x`, any algorithm.
        transpose_solve: the same for the transposed system, needed by reverse mode.
        symmetric: `matvec` is symmetric, so `solve` serves for the transpose.
        has_aux: `solve` returns `(x, aux)`; aux is not differentiated.

    Returns:
        x, a tree like `b`, or `(x, aux)`.

    Example:
        >>> import fx, fx.numpy as jnp
        >>> a = jnp.asarray([2.0, 4.0])
        >>> solve = lambda matvec, b: b / a
        >>> fx.lax.custom_linear_solve(lambda x: a * x, jnp.ones(2), solve, symmetric=True)
        Array([0.5 , 0.25], dtype=float32)
    """
    return linear_solve_p.solve(matvec, b, solve, transpose_solve, symmetric, has_aux)


@public
def custom_root(
    f: Callable[[Any], Any],
    initial_guess: Any,
    solve: Callable[[Callable[[Any], Any], Any], Any],
    tangent_solve: Callable[[Callable[[Any], Any], Any], Any],
    has_aux: bool = False,
) -> Any:
    """Find x with `f(x) = 0`, with derivatives by the implicit function theorem.

    Args:
        f: a function of a tree like `initial_guess` to a tree of the same structure; it may close
            over what is differentiated.
        initial_guess: where `solve` starts, arrays in a pytree.
        solve: `solve(f, initial_guess) -> x`.
        tangent_solve: `tangent_solve(g, y)` solves the linear system `g(x) = y`.
        has_aux: `solve` returns `(x, aux)`; aux is not differentiated.

    Returns:
        x, or `(x, aux)`.

    Example:
        >>> import fx
        >>> def sqrt(a):
        ...     newton = lambda f, x: fx.lax.fori_loop(0, 9, lambda _, x: (x + a / x) / 2, x)
        ...     return fx.lax.custom_root(lambda x: x * x - a, a, newton, lambda g, y: y / g(1.0))
        >>> fx.grad(sqrt)(4.0)
        Array(0.25, dtype=float32, weak_type=True)
    """
    converted, captured = closure_convert(f, initial_guess)
    solver, solver_captured = closure_convert(lambda x: solve(f, x), initial_guess)
    split = len(captured)

    @custom_jvp
    def root(guess: Any, *consts: Any) -> Any:
        return solver(guess, *consts[split:])

    @root.defjvp
    def _(consts: Any, tangents: Any) -> Any:
        found = root(*consts)
        consts, tangents = consts[1 : split + 1], tangents[1 : split + 1]
        x = found[0] if has_aux else found
        _, moved = jvp(lambda *cs: converted(x, *cs), consts, tangents)
        _, slope = linearize(lambda y: converted(y, *consts), x)
        step = custom_linear_solve(slope, moved, tangent_solve, tangent_solve)
        dx = tree_map(P.neg, step)
        if not has_aux:
            return found, dx
        return found, (dx, tree_map(lambda a: zeros(to_array(a)), found[1]))

    return root(initial_guess, *captured, *solver_captured)
