"""The table of all public functions, and which functions are public.

    for r in TABLE:
        fx_result = caller(r, "fx")(*arguments)

A new public function adds a row, or a reason why there is none; until then a test fails.
"""

from __future__ import annotations

import importlib
from functools import cache

from tests.functions.rows import algebra, arrays, elementwise, lax, nn, reductions, scipy
from tests.functions.spec import Row

TABLE: list[Row] = [
    r for m in (elementwise, arrays, reductions, algebra, lax, nn, scipy) for r in m.ROWS
]

MODULES = (
    "numpy",
    "numpy.linalg",
    "numpy.fft",
    "lax",
    "lax.linalg",
    "nn",
    "random",
    "image",
    "scipy.fft",
    "scipy.integrate",
    "scipy.interpolate",
    "scipy.linalg",
    "scipy.ndimage",
    "scipy.optimize",
    "scipy.signal",
    "scipy.sparse.linalg",
    "scipy.special",
    "scipy.stats",
)

_TYPES = "about dtypes: tests/test_dtypes.py"
_FILES = "about files and text: tests/core/test_array.py"
_AXES = "needs a named axis: tests/calls/test_collectives.py, tests/differential/rows/control.py"

# Name -> why it has no row.
EXEMPT: dict[str, str] = {}


def _exempt(reason: str, module: str, names: str) -> None:
    EXEMPT.update({f"{module}.{name}": reason for name in names.split()})


_exempt(_TYPES, "numpy", "can_cast finfo iinfo isdtype issubdtype promote_types result_type")
_exempt(_TYPES, "lax", "dtype")
_exempt("describes the namespace: the tests of the array API", "numpy", "__array_namespace_info__")
_exempt(_FILES, "numpy", "array_repr array_str fromfile load save savez")
_exempt(_FILES, "numpy", "get_printoptions set_printoptions printoptions")
_exempt("takes arrays of other libraries: tests/core/test_array_interface.py", "numpy",
        "from_dlpack")  # fmt: skip
_exempt("gives a function: tests/numpy", "numpy", "frompyfunc vectorize")
_exempt("gives a function: tests/lax/test_compilers.py", "lax", "composite")
_exempt("gives a plan, not numbers: tests/numpy/test_products.py", "numpy", "einsum_path")
_exempt(
    _AXES,
    "lax",
    "all_gather all_to_all axis_index axis_size pcast pmax pmean pmin ppermute pshuffle psum "
    "psum_scatter pswapaxes",
)
_exempt("needs a mesh: tests/calls/test_shard_map.py", "lax", "with_sharding_constraint")
_exempt("gives dimension numbers: tests/ops/test_conv.py", "lax", "conv_dimension_numbers")


@cache
def public_functions() -> tuple[str, ...]:
    """Names of all public functions, below `fx`; of distributions their functions."""
    found = []
    for module in MODULES:
        home = importlib.import_module(f"fx.{module}")
        for name in home.__all__:
            value = getattr(home, name)
            if callable(value) and not isinstance(value, type):
                found.append(f"{module}.{name}")
            elif module == "scipy.stats" and not callable(value):
                found += [f"{module}.{name}.{f}" for f in _FUNCTIONS if hasattr(value, f)]
    return tuple(n for n in found if n != "lax.DotDimensionNumbers")


_FUNCTIONS = ("logpdf", "pdf", "logpmf", "pmf", "cdf", "sf", "logcdf", "logsf", "ppf", "isf")
