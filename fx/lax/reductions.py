"""Reductions over axes: `reduce_sum` and its kin, `argmax`, and `reduce` by any monoid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import fx.ops  # noqa: F401 (registers the primitives)
from fx import dtypes
from fx.core.array import Array, to_array
from fx.core.avals import ShapedArray
from fx.core.primitive import P
from fx.errors import FxTypeError, ShapeError, public
from fx.lax.arguments import ArrayLike, canonical_axes, canonical_axis, number
from fx.ops.base import in_domain
from fx.ops.reduce import section
from fx.pytree import tree_flatten, tree_structure, tree_unflatten
from fx.transforms.stage import stage
from fx.transforms.vmap import materialize, vmap_flat
from fx.util import without

_REDUCTION_DOC = """{text}

    Args:
        operand: an array of {kinds} dtype.
        axes: the axes to reduce; negative ones count from the end.

    Returns:
        an array of the same dtype, without those axes.

    Raises:
        FxTypeError: the dtype is another.
        FxValueError: an axis does not exist, or is given twice.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> {example}
        {result}
    """


def _reduction(
    name: str, text: str, kinds: str, example: str, result: str
) -> Callable[[ArrayLike, Sequence[int]], Array]:
    bind = getattr(P, name)

    def function(operand: ArrayLike, axes: Sequence[int]) -> Array:
        x = to_array(operand, f"lax.{name}")
        return bind(x, axes=canonical_axes(f"lax.{name}", axes, x.ndim))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = _REDUCTION_DOC.format(text=text, kinds=kinds, example=example, result=result)
    return public(function)


reduce_sum = _reduction(
    "reduce_sum",
    "Sum over axes. Half-precision floats are summed in float32, integers wrap.",
    "number",
    "lax.reduce_sum(jnp.array([[1.0, 2.0], [3.0, 4.0]]), axes=(0,))",
    "Array([4., 6.], dtype=float32)",
)
reduce_prod = _reduction(
    "reduce_prod",
    "Product over axes; differentiable at zeros too.",
    "number",
    "lax.reduce_prod(jnp.array([[1.0, 2.0], [3.0, 4.0]]), axes=(0,))",
    "Array([3., 8.], dtype=float32)",
)
reduce_max = _reduction(
    "reduce_max",
    """Maximum over axes. NaN wins; over no elements it is the least value of the dtype.

    Elements that tie share the derivative equally.""",
    "any (but key)",
    "lax.reduce_max(jnp.array([[1.0, 5.0], [3.0, 4.0]]), axes=(0,))",
    "Array([3., 5.], dtype=float32)",
)
reduce_min = _reduction(
    "reduce_min",
    """Minimum over axes. NaN wins; over no elements it is the greatest value of the dtype.

    Elements that tie share the derivative equally.""",
    "any (but key)",
    "lax.reduce_min(jnp.array([[1.0, 5.0], [3.0, 4.0]]), axes=(0,))",
    "Array([1., 4.], dtype=float32)",
)
reduce_and = _reduction(
    "reduce_and",
    "Bitwise `and` over axes: whether all are true, for bools.",
    "bool or integer",
    "lax.reduce_and(jnp.array([[True, True], [False, True]]), axes=(0,))",
    "Array([False,  True], dtype=bool)",
)
reduce_or = _reduction(
    "reduce_or",
    "Bitwise `or` over axes: whether any is true, for bools.",
    "bool or integer",
    "lax.reduce_or(jnp.array([[True, False], [False, False]]), axes=(0,))",
    "Array([ True, False], dtype=bool)",
)
reduce_xor = _reduction(
    "reduce_xor",
    "Bitwise exclusive `or` over axes: whether an odd number is true, for bools.",
    "bool or integer",
    "lax.reduce_xor(jnp.array([[6, 5], [3, 3]]), axes=(0,))",
    "Array([5, 6], dtype=int32)",
)

_POSITION_DOC = """Index of the {which} along an axis; the first one of equals, or of NaNs.

    Args:
        operand: an array of bool, integer, floating or complex dtype. Complex numbers compare by
            real part first.
        axis: the axis to search; negative ones count from the end. It must have an element.
        index_dtype: an integer dtype for the result.

    Returns:
        an array of `index_dtype`, without that axis.

    Raises:
        FxTypeError: `index_dtype` is not an integer dtype.
        FxValueError: the axis does not exist, or has size 0.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> lax.{name}(jnp.array([[1.0, 5.0], [3.0, 4.0]]), 0, "int32")
        {result}
    """


def _position(name: str, which: str, result: str) -> Callable[[ArrayLike, int, Any], Array]:
    bind = getattr(P, name)

    def function(operand: ArrayLike, axis: int, index_dtype: Any) -> Array:
        x = to_array(operand, f"lax.{name}")
        index = canonical_axis(f"lax.{name}", axis, x.ndim)
        return bind(x, axes=(index,), index_dtype=dtypes.canonicalize(index_dtype))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = _POSITION_DOC.format(name=name, which=which, result=result)
    return public(function)


argmax = _position("argmax", "largest element", "Array([1, 0], dtype=int32)")
argmin = _position("argmin", "smallest element", "Array([0, 1], dtype=int32)")


# ------------------------------------------------------------------ any monoid
@public
def reduce(
    operands: Any,
    init_values: Any,
    computation: Callable[[Any, Any], Any],
    dimensions: Sequence[int],
) -> Any:
    """Fold arrays over axes by a monoid: an associative operation and its identity.

    An operation that is one of add, mul, max, min, and, or, xor runs as that reduction; any other
    folds neighbours pairwise, in log2(size) steps, and may be differentiated as well.

    Args:
        operands: an array, or a pytree of arrays of one shape that are folded together.
        init_values: the identity of `computation`: scalars of the operands' dtypes, in the same
            pytree.
        computation: (a, b) -> c on scalars, or on such pytrees of scalars; associative.
        dimensions: the axes to reduce; negative ones count from the end.

    Returns:
        arrays of the operands' dtypes without those axes, in the same pytree.

    Raises:
        FxTypeError: the dtypes or the structures do not match.
        ShapeError: operands of different shapes, or initial values that are not scalars.

    Example:
        The largest number and its position at once:

        >>> import fx.numpy as jnp
        >>> from fx import lax
        >>> def later(a, b):
        ...     return tuple(lax.select(b[0] > a[0], y, x) for x, y in zip(a, b))
        >>> lax.reduce((jnp.array([3.0, 7.0, 5.0]), jnp.arange(3)), (-jnp.inf, -1), later, (0,))
        (Array(7., dtype=float32), Array(1, dtype=int32))
    """
    leaves, tree = tree_flatten(operands)
    inits = _initial_values(init_values, tree, leaves)
    arrays = [to_array(x, "lax.reduce") for x in leaves]
    if any(x.shape != arrays[0].shape for x in arrays):
        got = ", ".join(x.aval.short() for x in arrays)
        raise ShapeError(f"lax.reduce expects operands of one shape, got {got}.")
    axes = canonical_axes("lax.reduce", dimensions, arrays[0].ndim)

    def combine(*scalars: Any) -> list[Any]:
        half = len(scalars) // 2
        out = computation(
            tree_unflatten(tree, scalars[:half]), tree_unflatten(tree, scalars[half:])
        )
        return _checked(out, tree, arrays)

    if len(arrays) == 1:
        monoid = known_monoid(combine, arrays[0].dtype)
        if monoid is not None:
            return tree_unflatten(tree, [_by_primitive(monoid, arrays[0], inits[0], axes)])
    return tree_unflatten(tree, _fold(combine, arrays, inits, axes))


def _initial_values(init_values: Any, tree: Any, leaves: Sequence[Any]) -> list[Array]:
    inits, init_tree = tree_flatten(init_values)
    if init_tree != tree:
        raise FxTypeError(
            f"lax.reduce expects initial values with the structure of the operands, {tree}, got "
            f"{init_tree}."
        )
    out = []
    for init, leaf in zip(inits, leaves, strict=True):
        dtype = to_array(leaf, "lax.reduce").dtype
        is_number = isinstance(init, (bool, int, float, complex))
        value = number("lax.reduce", init, dtype) if is_number else to_array(init, "lax.reduce")
        if value.shape:
            raise ShapeError(f"lax.reduce expects scalar initial values, got {value.aval.short()}.")
        if value.dtype != dtype:
            raise FxTypeError(
                f"lax.reduce expects initial values of the operands' dtypes, got "
                f"{dtypes.short_name(value.dtype)} for {dtypes.short_name(dtype)}."
            )
        out.append(value)
    return out


def _checked(out: Any, tree: Any, arrays: Sequence[Array]) -> list[Array]:
    """Results of the computation, if they have the operands' structure and dtypes."""
    if tree_structure(out) != tree:
        raise FxTypeError(
            f"lax.reduce expects a computation that returns the structure of the operands, {tree}, "
            f"got {tree_structure(out)}."
        )
    outs = [to_array(x, "the computation of lax.reduce") for x in tree_flatten(out)[0]]
    for x, like in zip(outs, arrays, strict=True):
        if x.shape or x.dtype != like.dtype:
            raise FxTypeError(
                f"lax.reduce expects a computation that returns scalars of the operands' dtypes, "
                f"got {x.aval.short()} for {dtypes.short_name(like.dtype)}."
            )
    return outs


# The reduction of each monoid, and the value that adds nothing.
_MONOIDS: dict[str, tuple[str, Callable[[np.dtype], Any]]] = {
    "add": ("reduce_sum", lambda dtype: 0),
    "mul": ("reduce_prod", lambda dtype: 1),
    "max": ("reduce_max", lambda dtype: P.reduce_max.identity(dtype)),
    "min": ("reduce_min", lambda dtype: P.reduce_min.identity(dtype)),
    "and": ("reduce_and", lambda dtype: ~dtype.type(0)),
    "or": ("reduce_or", lambda dtype: 0),
    "xor": ("reduce_xor", lambda dtype: 0),
}


def known_monoid(combine: Callable[..., Any], dtype: np.dtype) -> str | None:
    """The name of the primitive that the computation consists of, if it is a known monoid."""
    scalar = ShapedArray((), dtype)
    jaxpr = stage(combine, [scalar, scalar], what="lax.reduce", origin="the computation")
    if len(jaxpr.eqns) != 1 or jaxpr.eqns[0].primitive.name not in _MONOIDS:
        return None
    (eqn,) = jaxpr.eqns
    if set(eqn.invars) != set(jaxpr.invars) or jaxpr.outvars != list(eqn.outvars):
        return None
    name = eqn.primitive.name
    return name if in_domain(dtype, getattr(P, _MONOIDS[name][0]).kinds) else None


def _by_primitive(monoid: str, x: Array, init: Array, axes: tuple[int, ...]) -> Array:
    reduction, identity = _MONOIDS[monoid]
    out = getattr(P, reduction)(x, axes=axes)
    if type(init) is Array and init._data == identity(x.dtype):
        return out
    return getattr(P, monoid)(init, out)


def _fold(
    combine: Callable[..., list[Any]],
    arrays: Sequence[Array],
    inits: Sequence[Array],
    axes: tuple[int, ...],
) -> list[Array]:
    """Combine neighbours until one element is left, then the initial value with it."""
    shape = arrays[0].shape
    kept = without(range(len(shape)), axes)
    out_shape = tuple([shape[a] for a in kept])
    columns = int(np.prod(out_shape, dtype=np.int64))
    rows = int(np.prod([shape[a] for a in axes], dtype=np.int64))

    def lifted(left: Sequence[Any], right: Sequence[Any]) -> list[Any]:
        height = right[0].shape[0]
        flat = [P.reshape(x, new_sizes=(height * columns,)) for x in (*left, *right)]
        outs, dims = vmap_flat(combine, flat, [0] * len(flat), size=height * columns)
        return [
            P.reshape(materialize(x, d, height * columns), new_sizes=(height, columns))
            for x, d in zip(outs, dims, strict=True)
        ]

    start = [P.broadcast_in_dim(x, shape=(1, columns), broadcast_dimensions=()) for x in inits]
    if rows == 0 or columns == 0:
        return [P.broadcast_in_dim(x, shape=out_shape, broadcast_dimensions=()) for x in inits]
    values = [
        P.reshape(P.transpose(x, permutation=(*axes, *kept)), new_sizes=(rows, columns))
        for x in arrays
    ]
    while rows > 1:
        half = rows // 2
        left = [section(x, 0, 0, 2 * half, 2) for x in values]
        right = [section(x, 0, 1, 2 * half, 2) for x in values]
        pairs = lifted(left, right)
        if rows % 2:
            last = [section(x, 0, rows - 1, rows) for x in values]
            pairs = [P.concatenate(x, y, dimension=0) for x, y in zip(pairs, last, strict=True)]
        values, rows = pairs, rows - half
    return [P.reshape(x, new_sizes=out_shape) for x in lifted(start, values)]
