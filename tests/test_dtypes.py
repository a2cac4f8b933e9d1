"""Dtypes: what users may write for them, the default widths, and JAX's promotion lattice."""

import enum
import itertools
import subprocess
import sys
import threading

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fx import dtypes
from fx.errors import FxTypeError, FxValueError

NUMERIC = [
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "bfloat16",
    "float16",
    "float32",
    "float64",
    "complex64",
    "complex128",
]
PYTHON = (int, float, complex)


class Value:
    """Something with a dtype and perhaps a weak type, as fx.Array has."""

    def __init__(self, dtype, weak_type=False):
        self.dtype = np.dtype(dtype)
        self.weak_type = weak_type


# -- spellings


@pytest.mark.parametrize("name", NUMERIC)
def test_every_spelling_of_a_dtype_gives_the_same_object(name):
    expected = dtypes.canonicalize(name)
    assert expected.name == name
    scalar_type = getattr(dtypes, name + "_" if name == "bool" else name)
    spellings = [scalar_type, np.dtype(name), expected.type, Value(name), np.zeros(2, name)]
    if name != "bfloat16":
        spellings += [expected.str, expected.newbyteorder(">"), expected.char]
    for spelling in spellings:
        assert dtypes.canonicalize(spelling) is expected
    assert dtypes.from_short_name(dtypes.short_name(name)) is expected


def test_aliases_of_c_types_are_the_fixed_width_ones():
    for alias in ("q", "l", np.longlong, np.intp, np.dtype("longlong")):
        assert dtypes.canonicalize(alias) is dtypes.canonicalize("int64")


def test_a_scalar_type_object_with_a_dtype_is_accepted():
    class float32_like:
        dtype = np.dtype("float32")

    assert dtypes.canonicalize(float32_like) == np.float32


def test_key_and_float0_are_dtypes():
    assert dtypes.canonicalize(dtypes.key_dtype) is dtypes.key_dtype
    assert dtypes.canonicalize(np.dtype([("k0", "<u4"), ("k1", "<u4")])) is dtypes.key_dtype
    assert dtypes.canonicalize(dtypes.float0) is dtypes.float0
    assert dtypes.short_name(dtypes.key_dtype) == "key<fry>"
    assert dtypes.short_name(dtypes.float0) == "float0"


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (None, "got None"),
        ("flaot32", "'flaot32' is not a dtype"),
        ("f32", "Did you mean 'float32'"),
        (3, "3 is not a dtype"),
        (np.longdouble, "not supported"),
        ("object", "not supported"),
        (object, "is not a dtype"),
        ("U5", "not supported"),
        ("datetime64[s]", "not supported"),
        (np.floating, "abstract kind"),
        (dtypes.extended, "abstract kind"),
        ([1, 2], "is not a dtype"),
        (np.dtype([("a", "i4")]), "not supported"),
    ],
)
def test_what_is_no_dtype_is_refused_with_the_reason(bad, message):
    with pytest.raises(FxTypeError, match=message):
        dtypes.canonicalize(bad)


def test_a_dtype_argument_may_not_be_an_array():
    with pytest.raises(FxTypeError, match=r"zeros: dtype= got an array; write dtype=x\.dtype"):
        dtypes.check_user_dtype(np.zeros(3), "zeros")
    with pytest.raises(FxTypeError, match="zeros: 'nope' is not a dtype"):
        dtypes.check_user_dtype("nope", "zeros")
    assert dtypes.check_user_dtype("bfloat16") == dtypes.bfloat16
    assert dtypes.check_user_dtype(float) == np.float32


def test_unknown_short_name():
    with pytest.raises(FxValueError, match="'f31' is not a short dtype name"):
        dtypes.from_short_name("f31")


# -- default widths


def defaults():
    return tuple(map(str, (dtypes.default_float(), dtypes.default_int(), dtypes.default_complex())))


NARROW = ("float32", "int32", "complex64")
WIDE = ("float64", "int64", "complex128")


def test_default_dtype_is_scoped_and_nests():
    assert defaults() == NARROW
    scope = dtypes.default_dtype("float64")
    assert defaults() == NARROW, "takes effect on entry only"
    with scope:
        assert defaults() == WIDE
        assert dtypes.default_uint() == np.uint64
        with dtypes.default_dtype("bfloat16"):
            assert defaults() == ("bfloat16", "int32", "complex64")
            with scope:  # may be entered again
                assert defaults() == WIDE
        assert defaults() == WIDE
    assert defaults() == NARROW


def test_default_dtype_ends_with_an_exception_and_decorates():
    with pytest.raises(ZeroDivisionError), dtypes.default_dtype(np.float64):
        raise ZeroDivisionError
    assert defaults() == NARROW
    assert dtypes.default_dtype("float64")(defaults)() == WIDE
    assert defaults() == NARROW


def test_default_dtype_belongs_to_the_thread():
    seen = []
    with dtypes.default_dtype("float64"):
        thread = threading.Thread(target=lambda: seen.append(defaults()))
        thread.start()
        thread.join()
    assert seen == [NARROW]


@pytest.mark.parametrize("bad", ["int64", complex, bool, dtypes.key_dtype])
def test_default_dtype_takes_a_real_float(bad):
    with pytest.raises(FxTypeError, match="real floating dtype"):
        dtypes.default_dtype(bad)


def test_python_types_and_their_names_mean_the_defaults_and_explicit_dtypes_stay():
    for wide, expected in ((False, NARROW), (True, WIDE)):
        with dtypes.default_dtype("float64" if wide else "float32"):
            for python_type, name in zip((float, int, complex), expected, strict=True):
                assert dtypes.canonicalize(python_type) == name
                assert dtypes.canonicalize(python_type.__name__) == name
            assert dtypes.canonicalize(bool) == np.bool_
            for name in NUMERIC:
                assert dtypes.canonicalize(name).name == name


# -- questions


@pytest.mark.parametrize("name", [*NUMERIC, "key", "float0"])
def test_kinds_partition_the_dtypes(name):
    dtype = {"key": dtypes.key_dtype, "float0": dtypes.float0}.get(name) or np.dtype(name)
    floating, complex_ = "float" in name and name != "float0", "complex" in name
    assert dtypes.is_floating(dtype) == floating
    assert dtypes.is_complex(dtype) == complex_
    assert dtypes.is_inexact(dtype) == (floating or complex_)
    assert dtypes.is_integer(dtype) == ("int" in name)
    assert dtypes.is_key(dtype) == (name == "key")
    assert dtypes.issubdtype(dtype, np.floating) == floating
    assert dtypes.issubdtype(dtype, np.complexfloating) == complex_
    assert dtypes.issubdtype(dtype, np.inexact) == (floating or complex_)
    assert dtypes.issubdtype(dtype, np.integer) == ("int" in name)
    assert dtypes.issubdtype(dtype, np.unsignedinteger) == ("uint" in name)
    assert dtypes.issubdtype(dtype, np.generic)
    assert dtypes.issubdtype(dtype, dtypes.prng_key) == (name == "key")
    assert dtypes.issubdtype(dtype, dtypes.extended) == (name == "key")
    assert dtypes.issubdtype(dtype, dtype)
    assert dtypes.tangent_dtype(dtype) == (dtype if floating or complex_ else dtypes.float0)


def test_questions_take_dtype_likes_and_refuse_nothing():
    for spelling in ("bfloat16", dtypes.bfloat16, float, ">f8", np.float16):
        assert dtypes.is_floating(spelling)
        assert dtypes.is_floating(spelling), "a second time, from the table"
    assert dtypes.issubdtype("bfloat16", "bfloat16")
    assert dtypes.issubdtype(np.floating, np.inexact)
    assert not dtypes.issubdtype("bfloat16", "float16")
    assert not dtypes.is_inexact("no dtype")


@pytest.mark.parametrize("name", NUMERIC)
def test_related_dtypes(name):
    dtype = np.dtype(name)
    if dtypes.is_inexact(dtype):
        assert dtypes.to_inexact_dtype(dtype) == dtype
        assert dtypes.finfo(dtype).bits == 8 * dtypes.real_dtype(dtype).itemsize
        wide = name in ("float64", "complex128")
        assert dtypes.complex_dtype(dtype) == ("complex128" if wide else "complex64")
        with pytest.raises(FxTypeError, match="Use finfo"):
            dtypes.iinfo(dtype)
    else:
        assert dtypes.to_inexact_dtype(dtype) == np.float32
        with dtypes.default_dtype("float64"):
            assert dtypes.to_inexact_dtype(dtype) == np.float64
            assert dtypes.complex_dtype(dtype) == np.complex128
        with pytest.raises(FxTypeError, match="Use iinfo"):
            dtypes.finfo(dtype)
    if dtypes.is_integer(dtype):
        assert dtypes.iinfo(dtype).max == np.iinfo(dtype).max
    assert dtypes.real_dtype(dtypes.complex_dtype("float64")) == np.float64


def test_finfo_knows_bfloat16():
    assert dtypes.finfo("bfloat16").eps == ml_dtypes.finfo("bfloat16").eps == 2.0**-7
    assert dtypes.finfo(complex).max == np.finfo(np.float32).max


def test_scalar_type_of():
    expected = {"b": bool, "i": int, "u": int, "f": float, "c": complex, "V": float}
    for name in NUMERIC:
        assert dtypes.scalar_type_of(np.zeros(2, name)) is expected[np.dtype(name).kind]
    with pytest.raises(FxTypeError, match="no Python scalar type"):
        dtypes.scalar_type_of(dtypes.key_dtype)


# -- promotion

nodes = st.one_of(
    st.sampled_from(NUMERIC).map(np.dtype),
    st.sampled_from([True, 1, 1.0, 1j, *PYTHON]),
    st.builds(Value, st.sampled_from(NUMERIC), st.booleans()),
)
floats = st.sampled_from(["float32", "float64", "bfloat16"])


def join(*args):
    return dtypes.result_type(*args, return_weak_type_flag=True)


@given(nodes, nodes, floats)
def test_promotion_is_commutative_and_idempotent(a, b, default):
    with dtypes.default_dtype(default):
        assert join(a, b) == join(b, a)
        assert join(a, a) == join(a)
        assert join(a, b, a) == join(a, b)


@given(nodes, nodes, nodes, floats)
def test_promotion_is_associative(a, b, c, default):
    with dtypes.default_dtype(default):
        assert join(Value(*join(a, b)), c) == join(a, Value(*join(b, c))) == join(a, b, c)


@given(nodes, nodes)
def test_promotion_never_loses_the_kind_nor_a_strong_width(a, b):
    order = "biufc"
    result = dtypes.result_type(a, b)
    for x in (a, b):
        dtype, weak = dtypes.dtype_and_weak(x)
        assert order.index(_kind(result)) >= order.index(_kind(dtype)) - (_kind(dtype) == "u")
        if not weak and _kind(result) == _kind(dtype):
            assert result.itemsize >= dtype.itemsize


def _kind(dtype):
    return "f" if dtype == dtypes.bfloat16 else dtype.kind


def test_weak_scalars_take_the_width_of_arrays():
    for name in NUMERIC[9:13]:
        assert dtypes.result_type(np.ones(3, name), 1.5) == name
        assert dtypes.result_type(np.ones(3, name), 2) == name
    assert dtypes.result_type(np.ones(3, "int8"), 1.5) == np.float32
    assert dtypes.result_type(np.ones(3, "float64"), 1j) == np.complex128
    assert dtypes.result_type(np.ones(3, "float32"), np.float64(1)) == np.float32
    assert dtypes.result_type(np.ones(3, "bfloat16"), np.complex128(1)) == np.complex64
    assert dtypes.result_type(np.ones(3, "int8"), np.float64(1)) == np.float64
    assert dtypes.result_type(np.ones(3, "float32"), np.array(1.0)) == np.float64
    assert join(1, 2.0) == (np.float32, True)
    assert join(True) == (np.bool_, False)
    assert dtypes.result_type(None, np.int8) == np.float32


def test_a_weak_value_made_in_a_wide_scope_is_not_narrowed_later():
    wide = Value("float64", weak_type=True)
    assert join(wide) == (np.float64, True)
    assert join(wide, 1.0) == (np.float64, True)
    assert join(wide, Value("int32")) == (np.float64, True)
    assert join(wide, 1j) == (np.complex128, True)
    assert join(wide, Value("float32")) == (np.float32, False)


def test_subclasses_of_python_scalars_are_weak():
    class Level(enum.IntEnum):
        LOW = 1

    class Real(float):
        pass

    assert join(Level.LOW, np.ones(1, np.int8)) == (np.int8, False)
    assert join(Real(2)) == (np.float32, True)
    assert join(np.float64(2)) == (np.float64, True)


def test_keys_and_float0_take_no_part_in_arithmetic():
    key = Value(dtypes.key_dtype)
    assert dtypes.result_type(key, key) == dtypes.key_dtype
    for other in (1, np.ones(2, "uint32"), dtypes.float0):
        with pytest.raises(FxTypeError, match=r"cannot combine .*random keys.*key_data"):
            dtypes.result_type(key, other)
    with pytest.raises(FxTypeError, match="float0"):
        dtypes.promote_types(dtypes.float0, "float32")


def test_errors_of_result_type():
    with pytest.raises(FxValueError, match="at least one"):
        dtypes.result_type()
    with pytest.raises(FxTypeError, match=r"got list: \[1, 2\]\. Convert it with jnp\.asarray"):
        dtypes.result_type([1, 2])
    with pytest.raises(FxTypeError, match="got None"):
        dtypes.promote_types(None, int)


JAX_PROGRAM = """
import itertools, jax, numpy as np
jax.config.update("jax_enable_x64", True)
names = {names!r}
nodes = [*map(np.dtype, names), int, float, complex]
for a, b in itertools.product(nodes, repeat=2):
    dtype, weak = jax.dtypes.result_type(a, b, return_weak_type_flag=True)
    print("join", dtype.name, weak, jax.numpy.promote_types(a, b).name)
for kind in {kinds!r}:
    print("kind", *(jax.dtypes.issubdtype(np.dtype(n), getattr(np, kind)) for n in names))
"""
KINDS = ["floating", "integer", "inexact", "number", "generic", "signedinteger"]


@pytest.fixture(scope="module")
def jax_lines():
    """What JAX says with 64-bit types enabled, which is a setting of a whole process."""
    pytest.importorskip("jax")
    program = JAX_PROGRAM.format(names=NUMERIC, kinds=KINDS)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, check=True
    )
    return [line.split() for line in done.stdout.splitlines()]


def test_the_lattice_is_that_of_jax(jax_lines):
    pairs = itertools.product([*map(np.dtype, NUMERIC), *PYTHON], repeat=2)
    lines = [line for line in jax_lines if line[0] == "join"]
    for (a, b), (_, name, weak, promoted) in zip(pairs, lines, strict=True):
        with dtypes.default_dtype("float64"):
            assert join(a, b) == (name, weak == "True"), (a, b)
            assert dtypes.promote_types(a, b) == promoted, (a, b)
        if weak == "True":  # no width of its own: the default one
            name = str(dict(zip(WIDE, NARROW, strict=True))[name])
        assert join(a, b) == (name, weak == "True"), (a, b)


def test_issubdtype_is_that_of_jax(jax_lines):
    lines = [line[1:] for line in jax_lines if line[0] == "kind"]
    for kind, answers in zip(KINDS, lines, strict=True):
        for name, answer in zip(NUMERIC, answers, strict=True):
            got = dtypes.issubdtype(np.dtype(name), getattr(np, kind))
            assert got == (answer == "True"), (name, kind)


@pytest.mark.parametrize("dtype", dtypes.FLOAT8, ids=str)
def test_floats_of_8_bits_meet_only_integers_and_python_numbers(dtype):
    assert dtypes.is_floating(dtype) and dtypes.issubdtype(dtype, np.floating)
    assert dtypes.from_short_name(dtypes.short_name(dtype)) == dtype
    assert dtypes.finfo(dtype).bits == 8 and dtypes.tangent_dtype(dtype) == dtype
    for other in (dtype, float, int, "bool", "int8", "uint64"):
        assert dtypes.promote_types(dtype, other) == dtype
    others = ["bfloat16", "float16", "float32", "float64", "complex64", complex]
    for other in [*others, *(d for d in dtypes.FLOAT8 if d != dtype)]:
        with pytest.raises(FxTypeError, match="not converted implicitly"):
            dtypes.promote_types(dtype, other)
