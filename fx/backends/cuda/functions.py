"""Device functions that are computed from tables: they are written out from the numbers that the
NumPy rules use, so that both have the same formulas.

`DEFINED` has the C++ text of each by the name of the function, with those that it calls before it;
they are included in a kernel's source when it calls them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fx.ops.numerics import gamma, special_tables
from fx.ops.numerics import portable_tables as tables
from fx.ops.numerics.threefry import PARITY, ROTATIONS


def single(value: Any) -> str:
    """A float32 literal."""
    return f"{float(value).hex()}f"


def double(value: Any) -> str:
    """A float64 literal."""
    return float(value).hex()


def fused(x: str, coefficients: Sequence[Any]) -> str:
    """A polynomial in float32 from the highest power down, each step rounded once."""
    text = single(coefficients[0])
    for c in coefficients[1:]:
        text = f"fmaf({text}, {x}, {single(c)})"
    return text


def plain(x: str, coefficients: Sequence[Any]) -> str:
    """A polynomial in float64 from the lowest power up, by Horner's rule."""
    text = double(coefficients[-1])
    for c in reversed(coefficients[:-1]):
        text = f"({text} * {x} + {double(c)})"
    return text


def _threefry() -> str:
    lines = [
        "FX u64 threefry(u64 key, u64 counter) {",
        "  u32 k0 = (u32)key, k1 = (u32)(key >> 32);",
        f"  u32 k2 = k0 ^ k1 ^ {PARITY}u;",
        "  u32 x0 = (u32)counter + k0, x1 = (u32)(counter >> 32) + k1;",
    ]
    for injection in range(1, 6):
        for distance in ROTATIONS[(injection - 1) % 2]:
            lines.append(f"  x0 += x1; x1 = turned_left(x1, {distance}) ^ x0;")
        a, b = injection % 3, (injection + 1) % 3
        lines.append(f"  x0 += k{a}; x1 += k{b} + {injection}u;")
    return "\n".join([*lines, "  return pair_of(x0, x1);", "}"])


def _log() -> str:
    first, second, third = (fused("m", p) for p in tables.LOG_P)
    return f"""FX f32 portable_log(f32 x) {{
  u32 b = bits_as<u32>(x > {single(tables.TINY)} ? x : {single(tables.TINY)});
  i32 whole = (i32)(b >> 23) - 126;
  f32 m = f32_of_bits((b & 0x007FFFFF) | 0x3F000000);
  bool low = m < {single(tables.SQRT_HALF)};
  f32 e = (f32)whole - (low ? 1.0f : 0.0f);
  m = (m - 1.0f) + (low ? m : 0.0f);
  f32 square = m * m, cube = square * m;
  f32 y = fmaf({first}, cube, {second});
  y = fmaf(y, cube, {third});
  y = fmaf(y, cube, e * {single(tables.LOG2_LOW)});
  y = y + (m - square * 0.5f);
  y = y + e * {single(tables.LOG2_HIGH)};
  if (x == 0.0f) return f32_of_bits(0xFF800000);
  if (x == f32_of_bits(0x7F800000)) return x;
  return x >= 0.0f ? y : f32_of_bits(0x7FC00000);
}}"""


def _log1p() -> str:
    return f"""FX f32 portable_log1p(f32 x) {{
  if (!(fabsf(x) < {single(tables.LOG1P_SMALL)})) return portable_log(x + 1.0f);
  f32 square = x * x;
  f32 numerator = {fused("x", tables.LOG1P_NUMERATOR_32)};
  f32 denominator = {fused("x", tables.LOG1P_DENOMINATOR_32)};
  return x + fmaf(square, -0.5f, (x * square) * (numerator / denominator));
}}"""


def _exp() -> str:
    return f"""FX f32 portable_exp(f32 x) {{
  x = x < {single(-87.8)} ? {single(-87.8)} : x;
  x = x > {single(88.8)} ? {single(88.8)} : x;
  f32 n = floorf(fmaf(x, {single(tables.LOG2_E)}, 0.5f));
  n = n < -127.0f ? -127.0f : n;
  n = n > 127.0f ? 127.0f : n;
  x = x - n * {single(tables.LOG2_HIGH)};
  x = fmaf(n, {single(-tables.LOG2_LOW)}, x);
  f32 y = {fused("x", tables.EXP_P)};
  y = fmaf(y, x * x, x) + 1.0f;
  i32 power = n != n ? 127 : (i32)n + 127;
  y = y * f32_of_bits((u32)power << 23);
  return y < {single(tables.TINY)} ? 0.0f : y;
}}"""


def _erf() -> str:
    return f"""FX f32 portable_erf(f32 x) {{
  f32 square = x * x;
  f32 y = x * {fused("square", tables.ERF_NUMERATOR)};
  y = y / {fused("square", tables.ERF_DENOMINATOR)};
  return fabsf(x) >= {single(tables.ERF_LIMIT)} ? copysignf(1.0f, x) : y;
}}"""


def _erf_inv() -> str:
    (limit, shift, center), (_, tail_shift, tail) = tables.ERF_INV_32
    return f"""FX f32 portable_erf_inv(f32 x) {{
  f32 w = -portable_log1p(x * -x), y;
  if (w < {single(limit)}) {{
    f32 t = w - {single(shift)};
    y = {fused("t", center)};
  }} else {{
    f32 t = sqrtf(w) - {single(tail_shift)};
    y = {fused("t", tail)};
  }}
  return x * (fabsf(x) == 1.0f ? f32_of_bits(0x7F800000) : y);
}}"""


def _digamma() -> str:
    root, low = special_tables.DIGAMMA_ROOT, special_tables.DIGAMMA_ROOT_LOW
    return f"""static __device__ __noinline__ f64 digamma_of_positive(f64 x) {{
  if (!(x < {double(gamma.LARGE)})) {{
    f64 s = 1.0 / (x * x);
    return log(x) - (0.5 / x + s * {plain("s", gamma.DIGAMMA_SERIES)});
  }}
  f64 y = 0.0;
  if (x < 1.0) {{
    y = -1.0 / x;
    x += 1.0;
  }}
  while (x > 2.0) {{
    x -= 1.0;
    y += 1.0 / x;
  }}
  f64 t = x - 1.5;
  return ((x - {double(root)}) - {double(low)}) * {plain("t", special_tables.DIGAMMA)} + y;
}}
FX f64 digamma(f64 x) {{
  if (!(x < 0.0)) return digamma_of_positive(x);
  f64 distance = x - rint(x);
  if (distance == 0.0 || isinf(x)) return f64_of_bits(0x7FF8000000000000ull);
  const f64 pi = 0x1.921fb54442d18p+1;
  return digamma_of_positive(1.0 - x) - pi / tan(pi * distance);
}}
FX f32 digamma(f32 x) {{ return (f32)digamma((f64)x); }}"""


_NEEDS = {
    "portable_log1p": ("portable_log",),
    "portable_erf_inv": ("portable_log", "portable_log1p"),
}
_TEXTS = {
    "threefry": _threefry(),
    "portable_log": _log(),
    "portable_log1p": _log1p(),
    "portable_exp": _exp(),
    "portable_erf": _erf(),
    "portable_erf_inv": _erf_inv(),
    "digamma": _digamma(),
}


def definitions(text: str) -> str:
    """The functions of this module that a text calls, each once, in order of definition."""
    wanted = {name for name in _TEXTS if f"{name}(" in text}
    for name in list(wanted):
        wanted.update(_NEEDS.get(name, ()))
    return "\n".join(body for name, body in _TEXTS.items() if name in wanted)
