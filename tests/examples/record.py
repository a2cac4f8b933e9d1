"""What the programs give on JAX, kept in a file: `python -m tests.examples.record [NAME ...]`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import fx
from tests.examples import porting

PATH = Path(__file__).with_name("jax_results.json")


class Result(NamedTuple):
    """One array of a program's results."""

    array: np.ndarray
    weak: bool


def flatten(results: dict[str, Any]) -> dict[str, Result]:
    """The arrays of a program's results, named by their paths."""
    out = {}
    for name, value in results.items():
        for path, leaf in fx.tree.leaves_with_path(value):
            out[name + fx.tree_util.keystr(path)] = Result(np.asarray(leaf), leaf.weak_type)
    return out


def encode(result: Result) -> dict[str, Any]:
    x, weak = result
    pairs = np.stack([x.real, x.imag], -1) if x.dtype.kind == "c" else x
    digits = [float(f"{v:.7g}") if x.dtype.kind in "fc" else v for v in pairs.ravel().tolist()]
    mark = "*" if weak else ""
    return {"dtype": x.dtype.name + mark, "shape": list(x.shape), "values": digits}


def decode(entry: dict[str, Any]) -> Result:
    dtype, values = np.dtype(entry["dtype"].rstrip("*")), np.array(entry["values"])
    if dtype.kind == "c":
        values = values[::2] + 1j * values[1::2]
    return Result(values.reshape(entry["shape"]).astype(dtype), entry["dtype"].endswith("*"))


def read(name: str) -> dict[str, Result]:
    """The recorded results of one program."""
    return {k: decode(v) for k, v in json.loads(PATH.read_text())[name].items()}


def main(names: list[str]) -> None:
    recorded = json.loads(PATH.read_text()) if PATH.exists() else {}
    for name in names or porting.names():
        results = flatten(porting.load(name, "jax").run())
        recorded[name] = {k: encode(v) for k, v in results.items()}
        print(name)
    known = {name: recorded[name] for name in porting.names() if name in recorded}
    lines = [
        f" {json.dumps(name)}: {{\n"
        + ",\n".join(f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in entries.items())
        + "\n }"
        for name, entries in known.items()
    ]
    PATH.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
