"""Rows of the primitives that move, select, reduce and contract."""

from __future__ import annotations

import numpy as np

from fx.core.primitive import P
from fx.ops.conv import ConvDimensionNumbers
from fx.ops.dimension_numbers import (
    GatherDimensionNumbers,
    GatherScatterMode,
    ScatterDimensionNumbers,
)
from tests.op_rows.row import Arg, row, shapes

INT32 = np.dtype("int32")
CLIP, FILL = GatherScatterMode.CLIP, GatherScatterMode.FILL_OR_DROP


def moves(primitive: str, label: str, shape: tuple[int, ...], /, **params) -> None:
    """A rearrangement of one operand: linear, for every dtype."""
    row(
        primitive,
        shapes([shape]),
        label=label,
        kinds="bifck",
        params=params,
        linear=((0,),),
    )


# ------------------------------------------------------------------ shapes
moves("broadcast_in_dim", "scalar", (), shape=(2, 3), broadcast_dimensions=())
moves("broadcast_in_dim", "repeat", (1, 3), shape=(4, 2, 3), broadcast_dimensions=(1, 2))
moves("broadcast_in_dim", "empty", (3,), shape=(0, 3), broadcast_dimensions=(1,))
moves("reshape", "merge", (2, 3, 5), new_sizes=(6, 5))
moves("reshape", "scalar", (1, 1), new_sizes=())
moves("reshape", "empty", (0, 3), new_sizes=(3, 0, 2))
moves("transpose", "3d", (2, 3, 5), permutation=(2, 0, 1))
moves("transpose", "0d", (), permutation=())
moves("transpose", "empty", (0, 3), permutation=(1, 0))
moves("squeeze", "two", (1, 3, 1), dimensions=(0, 2))
moves("rev", "both", (2, 5), dimensions=(0, 1))
moves("rev", "empty", (0,), dimensions=(0,))
moves("slice", "strided", (7, 5), start_indices=(1, 0), limit_indices=(6, 5), strides=(2, 3))
moves("slice", "plain", (7,), start_indices=(2,), limit_indices=(5,), strides=None)
moves("slice", "empty", (7,), start_indices=(2,), limit_indices=(2,), strides=None)
moves("split", "uneven", (2, 6), sizes=(1, 0, 5), dimension=1)
row(
    "concatenate",
    shapes([(2, 3), (2, 0), (2, 1)], [(0, 0), (0, 0), (0, 5)]),
    kinds="bifck",
    params={"dimension": 1},
    linear=((0, 1, 2),),
)
for label, config in [("wide", ((1, 2, 0), (0, 1, 2))), ("crop", ((-1, 1, 1), (2, -2, 0)))]:
    row(
        "pad",
        shapes([(3, 2), ()]),
        label=label,
        kinds="bifc",
        params={"padding_config": config},
        linear=((0, 1),),
    )
row(
    "pad", shapes([(0,), ()]), label="empty", kinds="bifck", params={"padding_config": ((1, 1, 0),)}
)
for axis in (0, 1):
    row(
        "iota",
        ((),),
        label=f"axis{axis}",
        kinds="ifc",
        function=lambda axis=axis: P.iota(dtype=INT32, shape=(2, 3), dimension=axis),
        mapped=False,
    )

# ------------------------------------------------------------------ indexing
row(
    "dynamic_slice",
    ((Arg((5, 4)), Arg((), -2, 5, "int32"), Arg((), 0, 5, "int32")),),
    kinds="bifck",
    params={"slice_sizes": (2, 3)},
    linear=((0,),),
)
row(
    "dynamic_slice",
    ((Arg((0, 4)), Arg((), 0, 2, "uint8"), Arg((), 0, 5, "uint8")),),
    label="empty",
    kinds="bifck",
    params={"slice_sizes": (0, 3)},
)
row(
    "dynamic_update_slice",
    (
        (Arg((5, 4)), Arg((2, 3)), Arg((), -2, 5, "int32"), Arg((), 0, 5, "int32")),
        (Arg((5, 4)), Arg((0, 3)), Arg((), 0, 5, "int64"), Arg((), 0, 5, "int64")),
    ),
    kinds="bifck",
    linear=((0, 1),),
)
GATHERS = {
    "points": ((5,), (3, 1), GatherDimensionNumbers((), (0,), (0,)), (1,), (-2, 6)),
    "rows": ((5, 4), (3, 1), GatherDimensionNumbers((1,), (0,), (0,)), (1, 4), (0, 4)),
    "windows": ((5, 4), (2, 2), GatherDimensionNumbers((1, 2), (), (1, 0)), (2, 3), (-1, 4)),
    "batching": (
        (3, 5),
        (3, 2, 1),
        GatherDimensionNumbers((), (1,), (1,), (0,), (0,)),
        (1, 1),
        (0, 6),
    ),
    "empty": ((5,), (0, 1), GatherDimensionNumbers((), (0,), (0,)), (1,), (0, 4)),
}
for label, (shape, indices, numbers, sizes, (low, high)) in GATHERS.items():
    for mode in (CLIP, FILL):
        row(
            "gather",
            ((Arg(shape), Arg(indices, low, high, "int32")),),
            label=f"{label}-{mode.name.lower()}",
            kinds="bifc",
            params={
                "dimension_numbers": numbers,
                "slice_sizes": sizes,
                "indices_are_sorted": False,
                "unique_indices": False,
                "mode": mode,
                "fill_value": 0 if mode is FILL else None,
            },
            linear=((0,),),
        )
row(
    "gather",
    ((Arg((5,)), Arg((3, 1), 0, 9, "int32")),),
    label="fill",
    kinds="f",
    params={
        "dimension_numbers": GATHERS["points"][2],
        "slice_sizes": (1,),
        "indices_are_sorted": False,
        "unique_indices": False,
        "mode": FILL,
        "fill_value": 7.5,
    },
)
SCATTERS = {
    "points": ((5,), (4, 1), (4,), ScatterDimensionNumbers((), (0,), (0,)), (-2, 6)),
    "rows": ((5, 4), (3, 1), (3, 4), ScatterDimensionNumbers((1,), (0,), (0,)), (0, 4)),
    "windows": ((5, 4), (2, 2), (2, 2, 3), ScatterDimensionNumbers((1, 2), (), (1, 0)), (-1, 4)),
    "empty": ((5,), (0, 1), (0,), ScatterDimensionNumbers((), (0,), (0,)), (0, 4)),
}
_LINEAR = {"scatter": ((0, 2),), "scatter_add": ((0, 2),), "scatter_mul": ((0,),)}
for name in ("scatter", "scatter_add", "scatter_mul", "scatter_min", "scatter_max"):
    for label, (shape, indices, updates, numbers, (low, high)) in SCATTERS.items():
        row(
            name,
            ((Arg(shape), Arg(indices, low, high, "int32"), Arg(updates)),),
            label=label,
            params={
                "dimension_numbers": numbers,
                "indices_are_sorted": False,
                "unique_indices": False,
                "mode": CLIP if label == "rows" else FILL,
            },
            linear=_LINEAR.get(name, ()),
        )

# ------------------------------------------------------------------ reductions and prefixes
REDUCED = [
    ((4,), (0,)),
    ((2, 3, 4), (0, 2)),
    ((2, 3), ()),
    ((0, 3), (0,)),
    ((3, 0), (0,)),
    ((), ()),
]
for kind in ("sum", "prod", "max", "min", "and", "or", "xor"):
    for shape, axes in REDUCED:
        row(
            f"reduce_{kind}",
            shapes([shape]),
            label=f"{shape}over{axes}".replace(" ", ""),
            params={"axes": axes},
            linear=((0,),) if kind == "sum" else (),
        )
for name in ("argmax", "argmin"):
    for shape, axis in [((5,), 0), ((2, 3), 0), ((2, 3), 1), ((0, 3), 1)]:
        row(
            name,
            shapes([shape]),
            label=f"{shape}over{axis}".replace(" ", ""),
            params={"axes": (axis,), "index_dtype": INT32},
        )
for name in ("cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp"):
    for shape, axis, reverse in [
        ((5,), 0, False),
        ((2, 4), 1, True),
        ((3, 2), 0, False),
        ((0,), 0, False),
    ]:
        row(
            name,
            shapes([shape]),
            label=f"{shape}along{axis}".replace(" ", "") + ("-reverse" if reverse else ""),
            params={"axis": axis, "reverse": reverse},
            linear=((0,),) if name == "cumsum" else (),
        )

# ------------------------------------------------------------------ sorting
for label, shape, dimension, count, keys in [
    ("one", (5,), 0, 1, 1),
    ("pairs", (2, 4), 1, 2, 1),
    ("two-keys", (4, 2), 0, 3, 2),
    ("empty", (0, 2), 0, 1, 1),
]:
    row(
        "sort",
        shapes([shape] * count),
        label=label,
        kinds="bifc",
        params={"dimension": dimension, "is_stable": True, "num_keys": keys},
    )
for shape, k, axis in [((5,), 2, 0), ((4, 2), 3, 0), ((2, 3), 0, 1)]:
    row(
        "top_k",
        shapes([shape]),
        label=f"{k}of{shape}".replace(" ", ""),
        kinds="bif",
        params={"k": k, "axis": axis},
    )

# ------------------------------------------------------------------ contractions
DOTS = {
    "matrix": ((2, 3), (3, 4), (((1,), (0,)), ((), ()))),
    "vectors": ((3,), (3,), (((0,), (0,)), ((), ()))),
    "outer": ((2,), (3,), (((), ()), ((), ()))),
    "batched": ((2, 3, 4), (5, 4, 2), (((2,), (1,)), ((0,), (2,)))),
    "two-axes": ((2, 3, 4), (4, 3, 5), (((1, 2), (1, 0)), ((), ()))),
    "empty": ((2, 0), (0, 3), (((1,), (0,)), ((), ()))),
    "scalars": ((), (), (((), ()), ((), ()))),
}
for label, (left, right, numbers) in DOTS.items():
    row(
        "dot_general",
        shapes([left, right]),
        label=label,
        kinds="bifc",
        params={
            "dimension_numbers": numbers,
            "precision": None,
            "preferred_element_type": None,
        },
        linear=((0,), (1,)),
    )
row(
    "dot_general",
    shapes([(2, 3), (3, 4)]),
    label="preferred",
    kinds="if",
    params={
        "dimension_numbers": DOTS["matrix"][2],
        "precision": None,
        "preferred_element_type": np.dtype("float64"),
    },
)


def convolution(label: str, lhs: tuple[int, ...], rhs: tuple[int, ...], **changes) -> None:
    rank = len(lhs) - 2
    ones, spec = (1,) * rank, tuple(range(rank + 2))
    params = {
        "window_strides": ones,
        "padding": ((0, 0),) * rank,
        "lhs_dilation": ones,
        "rhs_dilation": ones,
        "dimension_numbers": ConvDimensionNumbers(spec, spec, spec),
        "feature_group_count": 1,
        "batch_group_count": 1,
        "precision": None,
        "preferred_element_type": None,
    }
    row(
        "conv_general_dilated",
        shapes([lhs, rhs]),
        label=label,
        kinds="ifc",
        params=params | changes,
        linear=((0,), (1,)),
    )


convolution("plain", (2, 3, 5, 4), (2, 3, 3, 2))
convolution("1d", (1, 2, 7), (3, 2, 3), window_strides=(2,), padding=((1, 2),))
convolution("0d", (2, 3), (4, 3))
convolution(
    "dilated",
    (1, 1, 5, 5),
    (2, 1, 2, 2),
    lhs_dilation=(2, 1),
    rhs_dilation=(1, 2),
    padding=((0, 1), (-1, 2)),
)
convolution("feature-groups", (1, 4, 5), (6, 2, 2), feature_group_count=2)
convolution("batch-groups", (4, 2, 5), (6, 2, 2), batch_group_count=2)
convolution(
    "channels-last",
    (2, 5, 4, 3),
    (3, 2, 3, 2),
    padding=((1, 1), (0, 0)),
    dimension_numbers=ConvDimensionNumbers((0, 3, 1, 2), (3, 2, 0, 1), (0, 3, 1, 2)),
)
convolution("no-images", (0, 2, 5), (3, 2, 3))

# ------------------------------------------------------------------ windows
WINDOWS = {
    "1d": ((7,), (3,), (2,), ((1, 1),), (1,), (1,)),
    "2d": ((5, 4), (2, 2), (1, 2), ((0, 0), (1, 0)), (1, 1), (1, 1)),
    "dilated": ((5, 4), (2, 2), (1, 1), ((0, 1), (0, 0)), (2, 1), (1, 2)),
    "0d": ((), (), (), (), (), ()),
    "empty": ((0,), (2,), (1,), ((1, 2),), (1,), (1,)),
}
for name in ("sum", "prod", "max", "min"):
    for label, (shape, size, strides, padding, base, window) in WINDOWS.items():
        row(
            f"reduce_window_{name}",
            shapes([shape]),
            label=label,
            params={
                "window_dimensions": size,
                "window_strides": strides,
                "padding": padding,
                "base_dilation": base,
                "window_dilation": window,
            },
            linear=((0,),) if name == "sum" else (),
        )
for select in ("ge", "le"):
    for label in ("1d", "2d", "0d"):
        shape, size, strides, padding, base, window = WINDOWS[label]
        params = {
            "select": select,
            "window_dimensions": size,
            "window_strides": strides,
            "padding": padding,
        }
        gathered = {"1d": (4,), "2d": (4, 2), "0d": ()}[label]
        row(
            "select_and_scatter_add",
            shapes([gathered, shape]),
            label=f"{label}-{select}",
            kinds="f",
            params=params,
            linear=((0,),),
        )
        row(
            "select_and_gather_add",
            shapes([shape, shape]),
            label=f"{label}-{select}",
            kinds="f",
            params=params,
            linear=((0,),),
        )
