"""Scaled dot-product attention, with groups of query heads, masks and a bias."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import fx.numpy as jnp
from fx import dtypes
from fx.core.array import to_array
from fx.core.primitive import P
from fx.errors import FxTypeError, FxValueError, ShapeError, public
from fx.lax.arguments import ArrayLike
from fx.nn.functions import logsumexp, softmax


@public
def dot_product_attention(
    query: ArrayLike,
    key: ArrayLike,
    value: ArrayLike,
    bias: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    *,
    scale: float | None = None,
    is_causal: bool = False,
    query_seq_lengths: ArrayLike | None = None,
    key_value_seq_lengths: ArrayLike | None = None,
    local_window_size: int | tuple[int, int] | None = None,
    implementation: str | None = None,
    return_residual: bool = False,
) -> Any:
    """softmax(query · keyᵀ · scale + bias) · value, for each head.

    Vaswani et al., "Attention is all you need", 2017; with fewer key than query heads, Ainslie et
    al., "GQA", 2023. Logits and softmax are computed in float32 or better. Sizes: B batch, T
    queries, S keys, N query heads, K key heads (N is a multiple of K), H features of a head.

    Args:
        query: (B, T, N, H) or (T, N, H).
        key, value: (B, S, K, H) or (S, K, H), of the query's dtype.
        bias: added to the scaled logits; broadcasts to (B, N, T, S).
        mask: bools, True where a query may attend; broadcasts to (B, N, T, S).
        scale: the factor of the logits; 1 / √H by default.
        is_causal: query t attends to keys s <= t only.
        query_seq_lengths, key_value_seq_lengths: (B,) integers; what lies behind is left out, and
            results behind a query's length are 0.
        local_window_size: (left, right) or one number for both: query t attends to keys in
            [t - left, t + right].
        implementation: None or "xla"; there is one.
        return_residual: return the logsumexp of the logits, of shape (B, T, N), too.

    Returns:
        an array of the query's shape, or with `return_residual` a pair of arrays.

    Raises:
        ShapeError: shapes do not fit.
        FxTypeError: dtypes differ, or the mask is not of bools.
        FxValueError: the implementation does not exist.

    Example:
        >>> import fx.numpy as jnp
        >>> from fx import nn
        >>> x = jnp.ones((2, 5, 4, 8))
        >>> nn.dot_product_attention(x, x, x, is_causal=True).shape
        (2, 5, 4, 8)
    """
    name = "nn.dot_product_attention"
    if implementation not in (None, "xla"):
        raise FxValueError(f"{name}: implementation must be None or 'xla', got {implementation!r}.")
    shape = to_array(query, name).shape
    q, k, v = _rank4(query, name), _rank4(key, name), _rank4(value, name)
    bias, mask = [None if x is None else _rank4(x, name) for x in (bias, mask)]
    lengths = [
        None if n is None else to_array(n, name) for n in (query_seq_lengths, key_value_seq_lengths)
    ]
    _check(name, q, k, v)
    _check_extras(name, q, k, bias, mask, lengths)
    (batch, rows, heads, size), (columns, groups) = q.shape, k.shape[1:3]
    if scale is None:
        scale = 1 / math.sqrt(size)
    # [b, k, g, t, s]: query heads in groups that share a key head.
    wide = dtypes.promote_types(q.dtype, np.dtype(np.float32))
    q = q.reshape(batch, rows, groups, heads // groups, size)
    logits = P.dot_general(
        q,
        k,
        dimension_numbers=(((4,), (3,)), ((0, 2), (0, 2))),
        precision=None,
        preferred_element_type=wide,
    )  # [b, k, t, g, s]
    logits = jnp.swapaxes(logits, 2, 3) * np.asarray(scale, wide)
    if bias is not None:
        logits = (logits + _grouped(bias, groups)).astype(wide)
    allowed = _allowed(rows, columns, is_causal, local_window_size, *lengths)
    if mask is not None:
        masked = _grouped(mask, groups)
        allowed = masked if allowed is None else allowed & masked
    if allowed is not None:
        # Finite, so that a row in which nothing is allowed averages all instead of being NaN.
        floor = -0.7 * float(np.finfo(np.float32).max)
        logits = jnp.where(allowed, logits, floor)
    weights = softmax(logits, axis=-1).astype(k.dtype)
    out = P.dot_general(
        weights,
        v,
        dimension_numbers=(((4,), (1,)), ((0, 1), (0, 2))),
        precision=None,
        preferred_element_type=None,
    )  # [b, k, g, t, h]
    out = jnp.transpose(out, (0, 3, 1, 2, 4)).reshape(batch, rows, heads, size)
    if lengths[0] is not None:
        kept = jnp.arange(rows)[None, :] < lengths[0][:, None]
        out = out * kept[:, :, None, None].astype(out.dtype)
    out = out.reshape(shape)
    if not return_residual:
        return out
    residual = jnp.transpose(logsumexp(logits, axis=-1).astype(k.dtype), (0, 3, 1, 2))
    return out, P.stop_gradient(residual.reshape(shape[:-1]))


def _rank4(x: ArrayLike, name: str) -> Any:
    x = to_array(x, name)
    return x.reshape((1,) * (4 - x.ndim) + x.shape) if x.ndim < 4 else x


def _grouped(x: Any, groups: int) -> Any:
    """[b, n, t, s] to [b, k, g, t, s], where n may be 1."""
    batch, heads, *rest = x.shape
    if heads == 1:
        return x.reshape(batch, 1, 1, *rest)
    return x.reshape(batch, groups, heads // groups, *rest)


def _check(name: str, q: Any, k: Any, v: Any) -> None:
    got = f"got query {q.aval.short()}, key {k.aval.short()}, value {v.aval.short()}"
    fits = q.ndim == k.ndim == 4 and k.shape == v.shape
    if not fits or q.shape[0] != k.shape[0] or q.shape[3] != k.shape[3]:
        raise ShapeError(
            f"{name} expects query (B, T, N, H) and key and value (B, S, K, H), all with or all "
            f"without B, {got}."
        )
    if q.shape[2] % k.shape[2]:
        raise ShapeError(
            f"{name} expects a multiple of the {k.shape[2]} key heads as query heads, {got}."
        )
    if not q.dtype == k.dtype == v.dtype:
        raise FxTypeError(f"{name} expects query, key and value of one dtype, {got}.")


def _check_extras(name: str, q: Any, k: Any, bias: Any, mask: Any, lengths: Any) -> None:
    logits = (q.shape[0], q.shape[2], q.shape[1], k.shape[1])
    for what, x in (("bias", bias), ("mask", mask)):
        if x is not None and not _fits(x.shape, logits):
            raise ShapeError(
                f"{name} expects a {what} that broadcasts to (B, N, T, S) = {logits}, got "
                f"{x.aval.short()}."
            )
    if mask is not None and mask.dtype.kind != "b":
        raise FxTypeError(
            f"{name} expects a mask of bools, got {mask.aval.short()}. Pass numbers to add as bias."
        )
    for what, n in zip(("query_seq_lengths", "key_value_seq_lengths"), lengths, strict=True):
        if n is not None and (n.shape != q.shape[:1] or n.dtype.kind not in "iu"):
            raise ShapeError(
                f"{name} expects {what} of {q.shape[0]} integers, one for each sequence of the "
                f"batch, got {n.aval.short()}."
            )


def _fits(shape: tuple[int, ...], target: tuple[int, ...]) -> bool:
    return len(shape) == len(target) and all(
        n in (1, size) for n, size in zip(shape, target, strict=True)
    )


def _allowed(
    rows: int, columns: int, is_causal: bool, window: Any, query_lengths: Any, key_lengths: Any
) -> Any:
    """Which key each query may attend to, [b, k, g, t, s], or None if all."""
    t, s = np.arange(rows)[:, None], np.arange(columns)[None, :]
    fixed = np.ones((rows, columns), bool)
    if is_causal:
        fixed &= s <= t
    if window is not None:
        left, right = (window, window) if isinstance(window, int) else window
        fixed &= (t - left <= s) & (s <= t + right)
    allowed = None if fixed.all() else jnp.asarray(fixed)
    for lengths, places in ((query_lengths, t), (key_lengths, s)):
        if lengths is not None:
            inside = places < lengths[:, None, None, None, None]
            allowed = inside if allowed is None else allowed & inside
    return allowed
