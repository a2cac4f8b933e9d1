"""Rows of the primitives over random keys."""

from __future__ import annotations

from tests.op_rows.row import Arg, row, shapes

KEYS = [[()], [(3,)], [(2, 2)], [(0,)]]


def keyed(primitive: str, label: str = "", /, **params) -> None:
    row(primitive, shapes(*KEYS), label=label, kinds="k", params=params)


keyed("random_clone")
keyed("random_unwrap")
keyed("random_split", shape=(2, 3))
keyed("random_split", "none", shape=(0,))
for width in (8, 16, 32, 64):
    keyed("random_bits", str(width), bit_width=width, shape=(5,))
keyed("random_bits", "scalar", bit_width=32, shape=())
row("random_seed", shapes([()], [(3,)], [(0,)], high=99), kinds="i")
row("random_wrap", shapes([(2,)], [(3, 2)], [(0, 2)], high=99, dtype="uint32"), kinds="-")
row(
    "random_fold_in",
    tuple(
        (Arg(a, dtype="key"), Arg(b, 0, 99, "uint32"))
        for a, b in [((), ()), ((3,), (3,)), ((), (4,)), ((4,), ())]
    ),
    kinds="-",
)


def sampled(primitive: str, *bounds: tuple[float, float], label: str = "", **options) -> None:
    places = [((), ()), ((), (4,)), ((2,), (2, 3)), ((0,), (0, 2))]
    row(
        primitive,
        tuple(
            (Arg(keys, dtype="key"), *(Arg(shape, *b) for b in bounds)) for keys, shape in places
        ),
        label=label,
        kinds="f",
        **options,
    )


for log_space in (False, True):
    sampled(
        "random_gamma",
        (0.5, 4),
        label="log" if log_space else "",
        params={"log_space": log_space},
        # The derivative moves the distribution, not the one sample that was drawn.
        finite_differences=False,
    )
sampled("random_poisson", (0.5, 20))
sampled("random_binomial", (1, 20), (0.1, 0.9))
row(
    "orthonormalize",
    shapes([(3, 2)], [(2, 4, 4)], [(0, 3, 1)]),
    kinds="fc",
    wrt=(),
    no_derivative=(0,),
)
