"""Runs one program under fx and under JAX: the sources differ in their import lines only.

A program is a module of the folder `programs` that imports fx under JAX's name (`import fx as jax`,
`import fx.numpy as jnp`, `import fx.optim as optax`) and defines `run()`, which returns a dict of
named results. `load(name, "jax")` is the same text with `fx` replaced in the imports; nothing else
of it may differ, and the rest of the text has no `fx` in it.
"""

from __future__ import annotations

import ast
import types
from pathlib import Path

FOLDER = Path(__file__).with_name("programs")
# Data files are no part of JAX: both versions of a program read them through fx.
OWN = "fx.data"


def names() -> list[str]:
    """The programs, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.py"))


def ported(module: str) -> str:
    """The JAX or Optax name of a module of fx."""
    if module == OWN:
        return module
    if module == "fx.optim" or module.startswith("fx.optim."):
        return "optax" + module.removeprefix("fx.optim")
    if module == "fx" or module.startswith("fx."):
        return "jax" + module.removeprefix("fx")
    return module


class _Imports(ast.NodeTransformer):
    """Replaces fx by JAX in the import statements of a program."""

    def visit_Import(self, node: ast.Import) -> ast.Import:
        node.names = [ast.alias(ported(a.name), a.asname) for a in node.names]
        return node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.ImportFrom:
        assert node.module is not None
        node.module = ported(node.module)
        return node


def load(name: str, library: str) -> types.ModuleType:
    """The program as a module over `fx` or over `jax`."""
    path = FOLDER / f"{name}.py"
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if library == "jax":
        tree = ast.fix_missing_locations(_Imports().visit(tree))
    module = types.ModuleType(f"{name}_on_{library}")
    exec(compile(tree, str(path), "exec"), module.__dict__)
    return module


def modules(name: str) -> set[str]:
    """The names of the modules that a program imports when it runs on JAX."""
    tree = ast.parse((FOLDER / f"{name}.py").read_text(encoding="utf-8"))
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {ported(a.name) for a in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(ported(node.module or ""))
    return found
