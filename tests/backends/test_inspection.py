"""What a compiled program says of itself: texts, memory, and a time line of its kernels."""

import functools
import json
import weakref

import numpy as np
import pytest

import fx
import fx.numpy as jnp
from fx.config import detours

program = pytest.importorskip("fx.backends.llvm.program", exc_type=ImportError)
from fx.backends.llvm import engine  # noqa: E402

X = np.linspace(-1, 1, 64 * 48, dtype=np.float32).reshape(64, 48)


def net(x, w):
    hidden = jnp.tanh(x @ w + 1)
    return fx.nn.softmax(hidden, -1)


NET = (X, np.ones((48, 16), np.float32))


# ------------------------------------------------------------------ texts
def test_loops_show_dimensions_loads_stores_and_the_users_lines():
    text = fx.jit(net).lower(*NET).as_text("loops")
    assert "for i0 < 64" in text and "(folded)" in text and "pass 2 over each row" in text
    lines = [line for line in text.splitlines() if "tanh(" in line]
    first = net.__code__.co_firstlineno
    assert lines and all(f"test_inspection.py:{first + 1} (net)" in line for line in lines)
    assert "exp(" in text and f"test_inspection.py:{first + 2} (net)" in text
    assert "a0[48*i0" in text and "= sum for k0 < 48 of" in text


def test_loops_show_calls_and_loops():
    def f(x):
        return jnp.sort(fx.lax.scan(lambda c, r: (c * 0.5 + r, c), x[0], x)[1] * 2, 0)

    text = fx.jit(f).lower(X).as_text("loops")
    assert "loop: 64 times" in text
    assert "sort" in text


def test_llvm_and_assembly():
    lowered = fx.jit(net).lower(*NET)
    text = lowered.as_text("llvm")
    assert "define void @k" in text and "@KERNEL" not in text
    assert text.count("define void @k") == len({*_names(lowered)})
    assembly = lowered.compile().as_text()
    assert assembly == lowered.as_text("asm")
    assert all(f"{name}:" in assembly for name in _names(lowered))
    assert lowered.compile().as_text("jaxpr") == lowered.as_text()


def _names(lowered):
    p = program.Program(lowered.jaxpr)
    texts = [program.codegen.write(k, engine.lanes()) for k in p.kernels]
    return [engine.kernel_module(*t)[0] for t in texts]


# ------------------------------------------------------------------ memory
class Counter:
    """Live and peak bytes of the arrays that a program makes."""

    def __init__(self, maker):
        self.maker = maker
        self.live = self.peak = 0

    def __call__(self, shape, dtype):
        return functools.partial(self._made, self.maker(shape, dtype))

    def _made(self, make):
        array = make()
        self.live += array.nbytes
        self.peak = max(self.peak, self.live)
        weakref.finalize(array, self._freed, array.nbytes)
        return array

    def _freed(self, nbytes):
        self.live -= nbytes


def chunked(x):
    return jnp.sum(x), jnp.mean(x * x)


PROGRAMS = {
    "net": (net, NET),
    "chain": (lambda x: jnp.exp(x).sum(0) * 3, (X,)),
    "several kernels": (lambda x: jnp.tanh(jnp.tanh(x @ x.T) @ x).sum(1), (X,)),
    "transposed outputs": (lambda x: (jnp.exp(x).T, jnp.exp(x).reshape(-1)), (X,)),
    "chunks": (chunked, (np.ones((1 << 19,), np.float32),)),
    "an argument": (lambda x: (x, x.T, x * 2), (X,)),
    "gradient": (fx.grad(lambda x, w: (net(x, w) ** 2).sum(), (0, 1)), NET),
    "constant": (lambda x: x * jnp.asarray(X) + 1, (X,)),
    "scan": (lambda x: fx.lax.scan(lambda c, r: (c * 0.5 + r, c), x[0], x), (X,)),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_memory_is_known_before_running(name, monkeypatch):
    f, args = PROGRAMS[name]
    compiled = fx.jit(f).lower(*args).compile()
    said = compiled.memory_analysis()
    assert said.argument_size_in_bytes == sum(a.nbytes for a in args)
    counter = Counter(program.maker)
    monkeypatch.setattr(program, "maker", counter)
    jaxpr = fx.jit(f).lower(*args).jaxpr
    made = program.Program(jaxpr)
    assert not any(t.step[0] == "call" for t in made.todo if isinstance(t.step, tuple))
    out = made(list(args))
    assert said.output_size_in_bytes == sum(o.nbytes for o in out)
    assert said.peak_memory_in_bytes == said.argument_size_in_bytes + counter.peak
    assert said.temp_size_in_bytes == counter.peak - counter.live
    assert said.generated_code_size_in_bytes > 0
    constants = 2 * X.nbytes if name == "constant" else 0
    assert said.constant_size_in_bytes in (0, X.nbytes, constants)
    del out
    assert counter.live == 0


def test_memory_counts_results_of_calls():
    said = fx.jit(lambda x: jnp.sort(x, 0)[0] * 2).lower(X).compile().memory_analysis()
    assert said.temp_size_in_bytes >= X.nbytes
    assert said.output_size_in_bytes == X[0].nbytes


def test_explain_has_bytes_of_temporaries():
    f = fx.jit(net)
    f(*NET)
    said = f.lower(*NET).compile().memory_analysis()
    assert f"{said.temp_size_in_bytes} of temporaries" in str(f.explain())


# ------------------------------------------------------------------ profiler
def events(folder):
    return json.loads((folder / "trace.json").read_text())["traceEvents"]


def test_a_trace_has_a_span_for_each_kernel_and_call(tmp_path):
    f = fx.jit(lambda x, w: (net(x, w), jnp.sort(x, 0)))
    before = f(*NET)
    with fx.profiler.trace(tmp_path):
        during = f(*NET)
        fx.block_until_ready(during)
    assert detours[0] == 0
    for a, b in zip(before, during, strict=True):
        np.testing.assert_array_equal(a, b)
    spans = events(tmp_path)
    kinds = [e["args"]["kind"] for e in spans]
    assert kinds.count("kernel") >= 2
    assert any(e["name"] == "sort" for e in spans) or "call" not in kinds
    line = f"test_inspection.py:{net.__code__.co_firstlineno + 1} (net)"
    first = next(e for e in spans if "tanh" in e["name"])
    assert line in first["args"]["lines"]
    assert first["args"]["bytes"] == X.nbytes + NET[1].nbytes + 64 * 16 * 4
    starts = [e["ts"] for e in spans]
    assert starts == sorted(starts) and all(e["dur"] >= 0 for e in spans)


def test_a_trace_equals_an_ordinary_run(tmp_path):
    for name, (f, args) in PROGRAMS.items():
        jitted = fx.jit(f)
        want = fx.tree.leaves(jitted(*args))
        with fx.profiler.trace(tmp_path / name):
            got = fx.tree.leaves(jitted(*args))
        for a, b in zip(got, want, strict=True):
            np.testing.assert_array_equal(a, b)
    assert detours[0] == 0
