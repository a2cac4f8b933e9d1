"""What a user sees of an error: a typed one that says what was wrong and how to mend it, with a
traceback that ends at the user's line; and the next call works.
"""

import inspect
import math
import traceback

import numpy as np
import pytest

import fx
import fx.numpy as jnp
from fx import errors, lax
from fx.config import detours
from fx.core.trace import state
from fx.errors import (
    ConcretizationTypeError,
    FxError,
    FxIndexError,
    FxNameError,
    FxTypeError,
    FxValueError,
    MissingRuleError,
    NonConcreteBooleanIndexError,
    OutOfMemoryError,
    ShapeError,
    TracerArrayConversionError,
    TracerBoolConversionError,
    TracerIntegerConversionError,
    TreeError,
    UnexpectedTracerError,
)

X = jnp.arange(6.0).reshape(2, 3)
V = jnp.arange(3.0)
N = jnp.arange(3)
KEY = fx.random.key(0)


@fx.custom_vjp
def no_rules(x):
    return x


@fx.jit
def branches(x, flag):
    y = x * 2
    if y > 0:
        return x
    return flag


def endless():
    items = []
    items.append(items)
    return items


leaked = []


def leak():
    fx.jit(lambda x: leaked.append(x) or x)(1.0)
    return leaked.pop() + 1


# (what is wrong, program, error, what the message says)
CASES = [
    # ------------------------------------------------------------------ shapes
    ("add shapes", lambda: X + jnp.ones(4), ShapeError, ["add", "(2, 3)", "(4,)"]),
    ("matmul shapes", lambda: X @ X, ShapeError, ["matmul", "f32[2,3]", "einsum"]),
    ("dot shapes", lambda: jnp.dot(V, jnp.ones(4)), ShapeError, ["dot", "f32[3]", "f32[4]"]),
    ("einsum shapes", lambda: jnp.einsum("ij,ij", X, X.T), ShapeError, ["einsum", "2", "3"]),
    ("concatenate shapes", lambda: jnp.concatenate([X, V]), ShapeError, ["concatenate"]),
    ("concatenate nothing", lambda: jnp.concatenate([]), FxValueError, ["concatenate"]),
    ("stack shapes", lambda: jnp.stack([X, V]), ShapeError, ["stack", "(2, 3)", "(3,)"]),
    ("reshape size", lambda: X.reshape(4), ShapeError, ["reshape", "f32[2,3]", "(4,)"]),
    ("reshape two unknown", lambda: X.reshape(-1, -1), FxValueError, ["reshape", "-1"]),
    ("broadcast", lambda: jnp.broadcast_to(X, (4, 3)), ShapeError, ["broadcast", "(4, 3)"]),
    ("where shapes", lambda: jnp.where(N > 1, X.T, V[:2]), ShapeError, ["(3,)", "(3, 2)"]),
    ("lax shapes", lambda: lax.add(X, V), ShapeError, ["add", "(2, 3)", "(3,)"]),
    ("squeeze", lambda: jnp.squeeze(X, 0), FxValueError, ["squeeze", "axis 0", "f32[2,3]"]),
    ("split", lambda: jnp.split(V, 2), FxValueError, ["split", "2", "3"]),
    ("negative size", lambda: jnp.zeros((-1,)), FxValueError, ["zeros", "-1"]),
    ("ones of a float", lambda: jnp.ones(2.5), FxTypeError, ["ones", "2.5"]),
    ("transpose axes", lambda: jnp.transpose(X, (0, 0)), FxValueError, ["transpose", "(0, 0)"]),
    (
        "set of another shape",
        lambda: X.at[0].set(jnp.ones(5)),
        ShapeError,
        ["set", "(3,)", "(5,)"],
    ),
    # ------------------------------------------------------------------ axes
    ("sum axis", lambda: jnp.sum(X, axis=2), FxValueError, ["sum", "2", "rank 2"]),
    ("method axis", lambda: X.mean(axis=-3), FxValueError, ["mean", "-3"]),
    ("twice the axis", lambda: jnp.sum(X, axis=(0, 0)), FxValueError, ["sum", "(0, 0)"]),
    ("axis of text", lambda: jnp.sum(X, axis="rows"), FxTypeError, ["sum", "rows"]),
    ("argmax of nothing", lambda: jnp.argmax(jnp.ones((0, 2)), axis=0), FxValueError, ["argmax"]),
    ("concatenate axis", lambda: jnp.concatenate([X, X], axis=5), FxValueError, ["5"]),
    ("vmap axis", lambda: fx.vmap(jnp.sin, in_axes=2)(X), FxValueError, ["vmap", "2", "(2, 3)"]),
    ("vmap sizes", lambda: fx.vmap(jnp.add)(X, V), FxValueError, ["vmap", "2", "3"]),
    ("vmap of a scalar", lambda: fx.vmap(jnp.sin)(1.0), FxValueError, ["vmap"]),
    ("vmap in_axes tree", lambda: fx.vmap(jnp.add, (0,))(V, V), FxValueError, ["in_axes"]),
    (
        "no axis of that name",
        lambda: lax.psum(V, "batch"),
        FxNameError,
        ["psum", "batch", "axis_name"],
    ),
    # ------------------------------------------------------------------ dtypes
    ("lax dtypes", lambda: lax.add(V, N), FxTypeError, ["add", "f32", "i32"]),
    ("not of floats", lambda: jnp.bitwise_not(V), FxTypeError, ["invert", "f32"]),
    ("no such dtype", lambda: jnp.ones(2, "float31"), FxTypeError, ["float31"]),
    ("object arrays", lambda: jnp.asarray([object()]), FxTypeError, ["object"]),
    ("text", lambda: jnp.sin("text"), FxTypeError, ["sin", "text"]),
    ("lists", lambda: jnp.sin([1.0, 2.0]), FxTypeError, ["sin", "list", "asarray"]),
    ("list operand", lambda: V + [1, 2, 3], FxTypeError, ["list", "asarray"]),
    ("integer power", lambda: N**-1, FxTypeError, ["negative"]),
    ("ragged", lambda: jnp.asarray([[1, 2], [3]]), FxValueError, ["asarray"]),
    ("int overflow", lambda: V + 2**40 * N, FxTypeError, ["1099511627776", "int32"]),
    ("complex to max", lambda: lax.clamp(1j, V * 1j, 2j), FxTypeError, ["clamp", "c64"]),
    ("arithmetic on keys", lambda: KEY + 1, FxTypeError, ["key"]),
    # ------------------------------------------------------------------ indices
    ("index out of bounds", lambda: V[3], FxIndexError, ["3", "size 3"]),
    ("negative index", lambda: X[0, -4], FxIndexError, ["-4", "size 3"]),
    ("index array", lambda: V[jnp.asarray([0, 7])], FxIndexError, ["7", "size 3"]),
    ("at out of bounds", lambda: V.at[5].set(1.0), FxIndexError, ["5", "size 3"]),
    ("too many indices", lambda: V[0, 0], FxIndexError, ["2", "(3,)"]),
    ("float index", lambda: V[1.0], FxIndexError, ["1.0 is not an index"]),
    ("mask of another shape", lambda: V[jnp.asarray([True])], FxIndexError, ["(1,)", "(3,)"]),
    ("assignment", lambda: V.__setitem__(0, 1.0), FxTypeError, ["immutable", ".at["]),
    ("iteration over a scalar", lambda: list(jnp.sum(V)), FxTypeError, ["0-d"]),
    ("len of a scalar", lambda: len(jnp.sum(V)), FxTypeError, ["len"]),
    # ------------------------------------------------------------------ Python conversions
    ("truth of many", lambda: bool(V > 1), FxTypeError, ["truth", "bool[3]", "x.any()"]),
    ("float of many", lambda: float(V), FxTypeError, ["float()", "f32[3]"]),
    ("index of a float", lambda: [1, 2, 3][V[1]], FxTypeError, ["index"]),
    ("hash", lambda: {V: 1}, FxTypeError, ["hashable"]),
    ("item of many", lambda: V.item(), FxValueError, ["item", "3"]),
    # ------------------------------------------------------------------ traced values
    (
        "if under jit",
        lambda: branches(1.0, 2.0),
        TracerBoolConversionError,
        ["argument x", "branches", "test_errors.py", "fx.lax.cond", "static_argnames"],
    ),
    (
        "while under jit",
        lambda: fx.jit(lambda n: [1 for _ in iter(lambda: n > 0, False)])(3),
        TracerBoolConversionError,
        ["argument n", "fx.lax.while_loop"],
    ),
    ("float under jit", lambda: fx.jit(float)(1.0), ConcretizationTypeError, ["float()"]),
    ("math under jit", lambda: fx.jit(math.sin)(1.0), ConcretizationTypeError, ["float()"]),
    ("numpy under jit", lambda: fx.jit(np.sin)(V), TracerArrayConversionError, ["argument"]),
    ("shape under jit", lambda: fx.jit(jnp.zeros)(3), TracerIntegerConversionError, ["static"]),
    ("range under jit", lambda: fx.jit(range)(3), TracerIntegerConversionError, ["static"]),
    (
        "mask under jit",
        lambda: fx.jit(lambda x: x[x > 1])(V),
        NonConcreteBooleanIndexError,
        ["fx.numpy.where"],
    ),
    ("unique under jit", lambda: fx.jit(jnp.unique)(V), ConcretizationTypeError, ["size"]),
    (
        "if under vmap",
        lambda: fx.vmap(lambda x: 1.0 if x else x)(V),
        TracerBoolConversionError,
        ["vmap", "where"],
    ),
    ("a leak", leak, UnexpectedTracerError, ["leaked", "test_errors.py", "Return"]),
    (
        "not hashable",
        lambda: fx.jit(lambda x, n: x, static_argnums=1)(V, [1]),
        FxValueError,
        ["static", "hashable", "tuple"],
    ),
    (
        "no such static name",
        lambda: fx.jit(lambda x: x, static_argnames="n"),
        FxValueError,
        ["static_argnames", "'n'"],
    ),
    ("no function", lambda: fx.jit(3), FxTypeError, ["jit", "function", "int"]),
    ("returns text", lambda: fx.jit(lambda x: "text")(V), FxTypeError, ["jit", "str", "arrays"]),
    ("an argument of text", lambda: fx.jit(lambda x: x)("text"), FxTypeError, ["str", "static"]),
    # ------------------------------------------------------------------ derivatives
    (
        "grad of integers",
        lambda: fx.grad(lambda n: n * 1.0)(3),
        FxTypeError,
        ["grad", "i32", "float"],
    ),
    ("grad of vectors", lambda: fx.grad(jnp.sin)(V), FxTypeError, ["grad", "scalar", "f32[3]"]),
    ("grad to integers", lambda: fx.grad(lambda x: N[0])(1.0), FxTypeError, ["grad", "i32"]),
    (
        "grad to complex",
        lambda: fx.grad(lambda x: x * 1j)(1.0),
        FxTypeError,
        ["grad", "holomorphic"],
    ),
    ("grad argnums", lambda: fx.grad(jnp.sin, argnums=2)(1.0), FxTypeError, ["argnums", "2"]),
    ("grad without aux", lambda: fx.grad(jnp.sin, has_aux=True)(1.0), FxTypeError, ["has_aux"]),
    ("jvp dtype", lambda: fx.jvp(jnp.sin, (V,), (N,)), FxError, ["jvp", "tangent", "f32", "i32"]),
    ("jvp shape", lambda: fx.jvp(jnp.sin, (V,), (X,)), FxValueError, ["jvp", "tangent"]),
    ("jvp tree", lambda: fx.jvp(jnp.sin, (V,), (V, V)), TreeError, ["jvp", "tangents"]),
    ("jvp not a tuple", lambda: fx.jvp(jnp.sin, V, V), FxTypeError, ["jvp", "tuple"]),
    ("vjp shape", lambda: fx.vjp(jnp.sin, V)[1](X), FxValueError, ["vjp", "cotangent"]),
    ("vjp dtype", lambda: fx.vjp(jnp.sin, V)[1](N), FxError, ["vjp", "cotangent"]),
    ("vjp tree", lambda: fx.vjp(jnp.sin, V)[1]((V,)), TreeError, ["vjp", "cotangent"]),
    (
        "custom_vjp without rules",
        lambda: fx.grad(no_rules)(1.0),
        FxTypeError,
        ["no_rules", "defvjp"],
    ),
    (
        "while backwards",
        lambda: fx.grad(lambda x: lax.while_loop(lambda v: v < 9, lambda v: v * 2, x))(1.0),
        FxTypeError,
        ["while_loop", "max_steps"],
    ),
    (
        "no closed form",
        lambda: fx.grad(lax.igamma_grad_a)(1.0, 2.0),
        MissingRuleError,
        ["igamma_grad_a"],
    ),
    # ------------------------------------------------------------------ control flow
    (
        "branches differ",
        lambda: lax.cond(True, lambda x: x, lambda x: (x, x), V),
        TreeError,
        ["cond"],
    ),
    (
        "branch types",
        lambda: lax.cond(True, lambda x: x, lambda x: x[:2], V),
        FxTypeError,
        ["cond", "f32[3]", "f32[2]"],
    ),
    ("carry tree", lambda: lax.scan(lambda c, x: ((c, c), x), V, V), TreeError, ["scan", "carry"]),
    (
        "carry shape",
        lambda: lax.scan(lambda c, x: (c[:2], x), V, V),
        FxTypeError,
        ["scan", "carry", "f32[3]", "f32[2]"],
    ),
    (
        "scan lengths",
        lambda: lax.scan(lambda c, x: (c, x), 0.0, (V, X)),
        FxValueError,
        ["scan", "3", "2"],
    ),
    (
        "scan without length",
        lambda: lax.scan(lambda c, x: (c, x), 0.0, None),
        FxValueError,
        ["scan", "length"],
    ),
    (
        "condition of floats",
        lambda: lax.while_loop(lambda v: v, lambda v: v, 1.0),
        FxTypeError,
        ["while_loop", "bool"],
    ),
    (
        "predicate of many",
        lambda: lax.cond(V > 1, lambda: 1, lambda: 2),
        FxTypeError,
        ["cond", "[3]"],
    ),
    # ------------------------------------------------------------------ trees
    (
        "map of other trees",
        lambda: fx.tree.map(lambda a, b: a, {"a": 1}, {"b": 1}),
        TreeError,
        ["'a'"],
    ),
    ("unflatten", lambda: fx.tree.unflatten(fx.tree.structure((1, 2)), [1]), TreeError, ["2", "1"]),
    # ------------------------------------------------------------------ random numbers
    ("a float for a key", lambda: fx.random.normal(1.5), FxTypeError, ["key"]),
    ("words for a key", lambda: fx.random.normal(jnp.zeros(3, "uint32")), FxError, ["key"]),
    ("many keys", lambda: fx.random.normal(fx.random.split(KEY)), FxError, ["vmap"]),
    (
        "normal of integers",
        lambda: fx.random.normal(KEY, (2,), "int32"),
        FxTypeError,
        ["normal", "int32"],
    ),
    ("seed of text", lambda: fx.random.key("seed"), FxTypeError, ["key", "str"]),
    ("shape of floats", lambda: fx.random.normal(KEY, (2.5,)), FxTypeError, ["2.5"]),
    # ------------------------------------------------------------------ options
    (
        "an option of another type",
        lambda: jnp.var(V, ddof="one"),
        FxTypeError,
        ["var", "ddof must be an integer", "str 'one'"],
    ),
    (
        "two of them",
        lambda: jnp.unwrap(V, "a", axis=V),
        FxTypeError,
        ["unwrap", "discont must be", "axis must be"],
    ),
    ("a flag of arrays", lambda: jnp.sort(V, stable=V), FxTypeError, ["sort", "stable", "bool"]),
    ("no function", lambda: jnp.vectorize(3), FxTypeError, ["vectorize", "pyfunc", "function"]),
    ("a learning rate", lambda: fx.optim.sgd("0.1"), FxTypeError, ["sgd", "learning_rate", "str"]),
    ("a layer's size", lambda: fx.nn.Dense("3"), FxTypeError, ["Dense", "features", "integer"]),
    (
        "no such memory",
        lambda: jnp.ones((1 << 40, 1 << 40)),
        OutOfMemoryError,
        ["ones", "memory"],
    ),
    ("records", lambda: jnp.sin(np.zeros(2, [("a", "f4")])), FxTypeError, ["sin", "field"]),
    ("in itself", lambda: jnp.asarray(endless()), FxValueError, ["asarray", "nested"]),
    (
        "rank of mapped matrices",
        lambda: fx.vmap(lax.linalg.lu)(X),
        ShapeError,
        ["lu", "matrices", "f32[3]"],
    ),
    (
        "rank of mapped transforms",
        lambda: fx.vmap(lambda x: lax.fft(x * 1j, "fft", (2, 3)))(X),
        ShapeError,
        ["fft", "lengths"],
    ),
    (
        "config",
        lambda: fx.config.update("debug_nan", True),
        FxValueError,
        ["debug_nan", "debug_nans"],
    ),
    ("sort side", lambda: jnp.searchsorted(V, 1.0, side="middle"), FxValueError, ["middle"]),
    ("mode", lambda: V.at[0].get(mode="wrap-around"), FxValueError, ["wrap-around"]),
    ("pad mode", lambda: jnp.pad(V, 1, mode="sideways"), FxError, ["sideways"]),
]


def is_clean():
    """Whether nothing of a transformation is left behind."""
    return (
        state.level == 0
        and state.dynamic is None
        and state.axes == {}
        and state.source is None
        and state.scope == ""
        and detours[0] == 0
    )


@pytest.mark.parametrize("program, kind, words", [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_an_error_is_typed_explains_itself_and_ends_at_the_users_line(program, kind, words):
    with pytest.raises(kind) as raised:
        program()
    error = raised.value
    assert isinstance(error, FxError)
    for word in words:
        assert word in str(error), f"{word!r} is not in: {error}"
    frames = traceback.extract_tb(error.__traceback__)
    inside = [f.filename for f in frames if errors.is_internal(f.filename)]
    assert not inside, inside
    assert frames[-1].filename == __file__
    shown = "".join(traceback.format_exception(error))
    assert "During handling" not in shown
    assert is_clean()
    assert program is not None and float(fx.jit(fx.grad(jnp.sin))(0.0)) == 1


class Garbage:
    """What no function expects."""


def required(function):
    """Garbage for each argument without a default; None where there are none, or no signature."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:
        return None
    kinds = inspect.Parameter
    needed = [p for p in parameters if p.default is kinds.empty and p.kind is not kinds.VAR_KEYWORD]
    args = [Garbage() for p in needed if p.kind is not kinds.KEYWORD_ONLY]
    return args, {p.name: Garbage() for p in needed if p.kind is kinds.KEYWORD_ONLY}


NAMESPACES = [fx, jnp, lax, fx.random, fx.nn, fx.tree, fx.tree_util]
FUNCTIONS = [
    (module, name)
    for module in NAMESPACES
    for name in module.__all__
    if inspect.isroutine(getattr(module, name))
]


@pytest.mark.parametrize(
    "module, name", FUNCTIONS, ids=[f"{m.__name__}.{name}" for m, name in FUNCTIONS]
)
def test_tracebacks_of_all_functions_end_at_the_users_line(module, name):
    arguments = required(getattr(module, name))
    if arguments is None:
        return
    try:
        getattr(module, name)(*arguments[0], **arguments[1])
    except Exception as error:
        # Python's own errors stay where they say it well: "'Garbage' object is not callable".
        assert isinstance(error, (FxError, TypeError, AttributeError))
        files = [f.filename for f in traceback.extract_tb(error.__traceback__)]
        assert not any(errors.is_internal(f) for f in files), files
    assert is_clean()


# ------------------------------------------------------------------ lines
def line_of(function, offset=0):
    return function.__code__.co_firstlineno + offset


def test_a_branch_on_a_traced_value_names_the_function_and_ends_at_the_branch():
    def choose(params, flag):
        y = params["w"] * 2
        if y > 0:
            return y
        return flag

    with pytest.raises(TracerBoolConversionError) as raised:
        fx.jit(choose)({"w": 1.0}, 2.0)
    text = str(raised.value)
    assert "the argument params['w']" in text and "flag" not in text
    assert f"choose at {__file__}:{line_of(choose)}" in text
    last = traceback.extract_tb(raised.value.__traceback__)[-1]
    assert (last.filename, last.lineno) == (__file__, line_of(choose, 2))


@pytest.mark.parametrize(
    "transform",
    [
        fx.jit,
        fx.grad,
        fx.value_and_grad,
        fx.vmap,
        fx.pmap,
        fx.checkpoint,
        fx.jacfwd,
        fx.hessian,
        fx.make_jaxpr,
        lambda f: fx.jit(fx.vmap(fx.grad(f))),
        lambda f: fx.grad(lambda x: fx.vmap(fx.jit(f))(x).sum()),
        lambda f: lambda x: lax.scan(lambda c, v: (c, f(v)), 0.0, x),
        lambda f: lambda x: lax.cond(True, f, f, x),
        lambda f: lambda x: lax.while_loop(lambda v: False, f, x),
        lambda f: lambda x: lax.map(f, x),
        lambda f: lambda x: fx.tree.map(f, {"a": x}),
        lambda f: lambda x: fx.jvp(f, (x,), (x,)),
        lambda f: lambda x: fx.vjp(f, x),
        lambda f: lambda x: fx.linearize(f, x),
        lambda f: lambda x: fx.eval_shape(f, x),
    ],
)
def test_errors_of_the_user_pass_through_every_transformation(transform):
    class Mine(Exception):
        pass

    def fails(x):
        raise Mine("my own")

    with pytest.raises(Mine, match=r"^my own$") as raised:
        transform(fails)(jnp.ones(1))
    frames = traceback.extract_tb(raised.value.__traceback__)
    assert frames[-1].lineno == line_of(fails, 1)
    assert not any(errors.is_internal(f.filename) for f in frames)
    assert raised.value.__cause__ is None
    assert is_clean()


def test_all_frames_are_kept_on_request(monkeypatch):
    monkeypatch.setattr(errors, "_FULL", True)
    with pytest.raises(ShapeError) as raised:
        X + jnp.ones(4)
    frames = traceback.extract_tb(raised.value.__traceback__)
    assert any(errors.is_internal(f.filename) for f in frames)


def test_every_error_is_also_what_numpy_would_raise():
    kinds = {
        kind
        for name, kind in vars(errors).items()
        if inspect.isclass(kind) and issubclass(kind, FxError) and kind is not FxError
    }
    builtin = (TypeError, ValueError, IndexError, NameError, NotImplementedError)
    builtin += (OSError, RuntimeError, ArithmeticError, MemoryError)
    for kind in kinds - {UnexpectedTracerError}:
        assert issubclass(kind, builtin), kind
        assert kind.__doc__
