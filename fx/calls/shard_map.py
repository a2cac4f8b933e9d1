"""shard_map: a program on the blocks that a mesh cuts its arguments into.

An axis of the mesh is a `pmap` with its name; several are nested, the first one outermost. A spec
says which of them cut an axis of an array: the axis becomes (mesh axes..., rest), and the mesh axes
go to the front, where the pmaps take them away one by one.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Collection, Sequence
from typing import Any

from fx.calls.base import jaxpr_axes
from fx.calls.jit import JitFunction
from fx.calls.pmap import pmap_p
from fx.core.array import Array, aval_of, is_arraylike, to_array
from fx.core.ir import Jaxpr, Var, subjaxprs
from fx.core.mesh import NamedSharding, PartitionSpec, check_divides, check_spec, current_mesh
from fx.core.primitive import AxisData, P
from fx.core.trace import bind_axis
from fx.errors import FxTypeError, FxValueError, ShapeError, public
from fx.pytree import (
    flatten_prefix,
    keystr,
    tree_flatten,
    tree_flatten_with_path,
    tree_map,
    tree_unflatten,
)
from fx.transforms.stage import FlatFunction, hoist, name_of, origin_of, stage
from fx.util import without


class _Infer:
    """The specs are those of the arguments' shardings."""

    def __repr__(self) -> str:
        return "Infer"


Infer = _Infer()


def _is_spec(x: Any) -> bool:
    return x is None or isinstance(x, PartitionSpec)


@public
def shard_map(
    f: Callable[..., Any] | None = None,
    /,
    *,
    out_specs: Any,
    in_specs: Any = Infer,
    mesh: Any = None,
    axis_names: Collection[Any] = frozenset(),
    check_vma: bool = True,
) -> Callable[..., Any]:
    """Run a function on the blocks of its arguments, one block for each device of a mesh.

    Args:
        f: a function of arrays in pytrees. It sees one device's blocks, and exchanges values with
            collectives over the names of the mesh's axes. Without it, returns a decorator.
        out_specs: for each result, or a tree prefix, the `PartitionSpec` by which the blocks are
            put together. A mesh axis that it does not name must not make a difference.
        in_specs: for each positional argument, or a tree prefix, the spec by which it is cut. By
            default that of the argument's sharding.
        mesh: by default the one in scope (`set_mesh`).
        axis_names: the axes of the mesh to map over; by default all.
        check_vma: raise where a result differs along a mesh axis that its spec does not name.

    Returns:
        A function of the same arguments. It composes with grad, vmap and jit.

    Raises:
        FxValueError: there is no mesh; a spec names an unknown axis; a result differs.
        ShapeError: mesh axes do not divide the array axes that they cut.

    Example:
        >>> import fx, fx.numpy as jnp
        >>> mesh = fx.make_mesh((2,), ("x",))
        >>> share = lambda block: block / fx.lax.psum(jnp.sum(block), "x")
        >>> fx.shard_map(share, mesh=mesh, in_specs=fx.P("x"), out_specs=fx.P("x"))(jnp.ones(4))
        Array([0.25, 0.25, 0.25, 0.25], dtype=float32)
    """
    if f is None:
        return functools.partial(
            shard_map,
            out_specs=out_specs,
            in_specs=in_specs,
            mesh=mesh,
            axis_names=axis_names,
            check_vma=check_vma,
        )
    if not callable(f):
        raise FxTypeError(f"shard_map expects a function, got {type(f).__name__}.")
    function, made = f, {}

    @public
    @functools.wraps(function)
    def mapped(*args: Any) -> Any:
        found = mesh if mesh is not None else current_mesh()
        if found is None or found.empty:
            raise FxValueError(
                f"shard_map of {name_of(function)} has no mesh. Pass mesh=fx.make_mesh(...), or "
                "call it inside `with fx.set_mesh(mesh):`."
            )
        specs = _in_specs(function, args, in_specs)
        key = found, tuple(specs)
        if key not in made:
            names = _manual(found, axis_names)
            run = _Sharded(function, found, names, specs, out_specs, check_vma)
            made[key] = JitFunction(run, (), (), False)
        return made[key](*args)

    return mapped


@public
def smap(
    f: Callable[..., Any] | None = None,
    /,
    *,
    in_axes: Any = Infer,
    out_axes: Any,
    axis_name: Any,
) -> Callable[..., Any]:
    """`shard_map` over one axis of the mesh in scope, with array axes in place of specs.

    Args:
        f: a function of arrays in pytrees; without it, returns a decorator.
        in_axes: for each argument, or a tree prefix, the axis that is cut, or None.
        out_axes: the axis along which blocks of results are joined, or None.
        axis_name: the axis of the mesh.

    Example:
        >>> import fx, fx.numpy as jnp
        >>> with fx.set_mesh(fx.make_mesh((2,), ("x",))):
        ...     fx.smap(lambda x: x - x[0], in_axes=0, out_axes=0, axis_name="x")(jnp.arange(4))
        Array([0, 1, 0, 1], dtype=int32)
    """

    def spec(axis: Any) -> PartitionSpec:
        return PartitionSpec() if axis is None else PartitionSpec(*[None] * axis, axis_name)

    def specs(axes: Any) -> Any:
        return tree_map(spec, axes, is_leaf=lambda axis: axis is None)

    if axis_name.__hash__ is None:
        raise FxTypeError(f"smap: axis_name must be a name, got {axis_name!r}.")
    return shard_map(
        f,
        in_specs=Infer if in_axes is Infer else specs(in_axes),
        out_specs=specs(out_axes),
        axis_names={axis_name},
    )


def _manual(mesh: Any, axis_names: Collection[Any]) -> tuple[Any, ...]:
    chosen = {axis_names} if isinstance(axis_names, str) else set(axis_names)
    unknown = chosen - set(mesh.axis_names)
    if unknown:
        raise FxValueError(f"shard_map: axis_names has {unknown}, which {mesh} does not have.")
    return tuple(n for n in mesh.axis_names if n in chosen or not chosen)


def _in_specs(function: Any, args: Any, in_specs: Any) -> list[PartitionSpec]:
    leaves, tree = tree_flatten(args)
    for i, x in enumerate(leaves):
        if not is_arraylike(x):
            path = keystr(tree_flatten_with_path(args)[0][i][0])
            raise FxTypeError(
                f"shard_map of {name_of(function)} expects arrays, got {type(x).__name__} at "
                f"argument {path}. Close over Python values with functools.partial."
            )
    if in_specs is Infer:
        places = [x.sharding if isinstance(x, Array) else None for x in leaves]
        return [s.spec if isinstance(s, NamedSharding) else PartitionSpec() for s in places]
    wanted = tuple(in_specs) if isinstance(in_specs, list) else in_specs
    found = flatten_prefix("shard_map in_specs", wanted, tree, is_leaf=_is_spec)
    return [PartitionSpec() if s is None else s for s in found]


class _Sharded:
    """One shard_map for given specs, as a function of whole arrays."""

    def __init__(
        self,
        function: Callable[..., Any],
        mesh: Any,
        names: tuple[Any, ...],
        in_specs: Sequence[PartitionSpec],
        out_specs: Any,
        check_vma: bool,
    ):
        functools.update_wrapper(self, function)
        self.what = f"shard_map of {name_of(function)}"
        self.function = function
        self.mesh = mesh
        self.names = names
        self.in_specs = in_specs
        self.out_specs = out_specs
        self.check_vma = check_vma
        for spec in in_specs:
            self.check(spec)

    def check(self, spec: Any) -> None:
        check_spec(self.what, self.mesh, spec)
        for name in spec.used():
            if name not in self.names:
                raise FxValueError(
                    f"{self.what}: {spec} names {name!r}, which is not one of axis_names "
                    f"{self.names}."
                )

    def __call__(self, *args: Any) -> Any:
        leaves, tree = tree_flatten((args, {}))
        for x, spec in zip(leaves, self.in_specs, strict=True):
            check_divides(self.what, self.mesh, spec, x.shape)
        blocks = [self.cut(x, spec) for x, spec in zip(leaves, self.in_specs, strict=True)]
        flat = FlatFunction(self.function, tree, what="shard_map")
        differ: list[set[Any]] = []
        outs = self.level(0, flat, differ)(*blocks)
        found = flatten_prefix(
            "shard_map out_specs",
            tuple(self.out_specs) if isinstance(self.out_specs, list) else self.out_specs,
            flat.out_tree,
            is_leaf=_is_spec,
        )
        specs = [PartitionSpec() if s is None else s for s in found]
        for spec in specs:
            self.check(spec)
        if self.check_vma:
            self.check_equal(specs, differ, flat.out_tree)
        joined = [self.join(x, spec) for x, spec in zip(outs, specs, strict=True)]
        return tree_unflatten(flat.out_tree, joined)

    def level(self, k: int, flat: FlatFunction, differ: list[set[Any]]) -> Callable[..., Any]:
        """The program from mesh axis `k` inwards, of flat lists."""
        if k == len(self.names):
            return flat
        name, inner = self.names[k], self.level(k + 1, flat, differ)
        size = self.mesh.shape[name]
        mapped = [name in spec.used() for spec in self.in_specs]

        def run(*args: Any) -> list[Any]:
            avals = [aval_of(x) for x in args]
            avals = [
                a.update(shape=a.shape[1:]) if m else a for a, m in zip(avals, mapped, strict=True)
            ]
            with bind_axis(name, AxisData(name, size)):
                jaxpr, free = hoist(
                    stage(inner, avals, what="shard_map", origin=origin_of(self.function))
                )
            if k == len(self.names) - 1:
                known: list[set[Any]] = [set() for _ in free]
                given = [set(spec.used()) for spec in self.in_specs]
                differ.extend(differing(jaxpr, known + given))
            return pmap_p.bind(
                *free,
                *args,
                jaxpr=jaxpr,
                axis_name=name,
                size=size,
                mapped=(*[False] * len(free), *mapped),
            )

        return run

    def check_equal(self, specs: Sequence[Any], differ: Sequence[set[Any]], tree: Any) -> None:
        paths = tree_flatten_with_path(tree_unflatten(tree, specs), is_leaf=_is_spec)[0]
        for (path, spec), axes in zip(paths, differ, strict=True):
            extra = [n for n in self.names if n in axes and n not in spec.used()]
            if extra:
                raise FxValueError(
                    f"{self.what}: result{keystr(path)} has the spec {spec}, but its values differ "
                    f"between the devices along {extra}. Name the axis in out_specs, combine the "
                    "values with fx.lax.psum, pmean or all_gather, or pass check_vma=False to take "
                    "the first device's."
                )

    # ------------------------------------------------------------------ blocks
    def cut(self, x: Any, spec: PartitionSpec) -> Any:
        """`x` with the mesh axes that cut it in front, in the order of the mesh."""
        x, sizes = to_array(x, self.what), self.mesh.shape
        shape: list[int] = []
        where: dict[Any, int] = {}
        rest = []
        for i, n in enumerate(x.shape):
            axes = spec.axes(i)
            for name in axes:
                where[name] = len(shape)
                shape.append(sizes[name])
            rest.append(len(shape))
            shape.append(n // math.prod(sizes[name] for name in axes))
        front = [where[name] for name in self.names if name in where]
        if not front:
            return x
        x = P.reshape(x, new_sizes=tuple(shape))
        return P.transpose(x, permutation=(*front, *rest))

    def join(self, x: Any, spec: PartitionSpec) -> Any:
        """The inverse of `cut`, of a result that has all mesh axes in front."""
        used, sizes = spec.used(), self.mesh.shape
        count = len(self.names)
        if len(spec) > x.ndim - count:
            raise ShapeError(
                f"{self.what}: {spec} has {len(spec)} entries for a result of {x.ndim - count} "
                "axes on each device."
            )
        drop = [i for i, name in enumerate(self.names) if name not in used]
        if drop:
            limits = tuple(1 if i in drop else n for i, n in enumerate(x.shape))
            zero = (0,) * x.ndim
            x = P.slice(x, start_indices=zero, limit_indices=limits, strides=None)
            x = P.squeeze(x, dimensions=tuple(drop))
        if not used:
            return x
        left = without(self.names, drop)
        order, shape = [], []
        for i, n in enumerate(x.shape[len(left) :]):
            axes = spec.axes(i)
            order += [*(left.index(name) for name in axes), len(left) + i]
            shape.append(n * math.prod(sizes[name] for name in axes))
        return P.reshape(P.transpose(x, permutation=tuple(order)), new_sizes=tuple(shape))


# What makes its result the same along the axes it names.
_EQUALIZE = frozenset(["psum", "pmax", "pmin", "all_gather"])


def differing(jaxpr: Jaxpr, inputs: Sequence[set[Any]]) -> list[set[Any]]:
    """For each result the mesh axes along which it may differ, from those of the inputs.

    A program inside that has collectives (a loop's body) counts as equalizing: the check finds
    what is certain.
    """
    env: dict[Var, set[Any]] = dict(zip(jaxpr.invars, inputs, strict=True))

    def of(atoms: Sequence[Any]) -> set[Any]:
        return set().union(*(env.get(v, set()) for v in atoms if isinstance(v, Var)))

    for eqn in jaxpr.eqns:
        found, name = of(eqn.invars), eqn.primitive.name
        axes = set(eqn.params.get("axes") or ()) if hasattr(eqn.primitive, "axis_names") else set()
        if name in _EQUALIZE:
            found = found - axes
        elif axes:
            found = found | axes
        elif name == "jit":
            given = [of([v]) for v in eqn.invars]
            env.update(zip(eqn.outvars, differing(eqn.params["jaxpr"], given), strict=True))
            continue
        else:
            for sub in subjaxprs(eqn.params):
                found = found - jaxpr_axes(sub)
        for var in eqn.outvars:
            env[var] = found
    return [of([v]) for v in jaxpr.outvars]
