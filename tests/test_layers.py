"""The package's architecture, read from its imports: they go only down the layers, without cycles;
what is optional is imported where it is needed; files are short; `__all__` tells the truth.
"""

import ast
import functools
import importlib
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# From the bottom up. A module may import from lower layers and from its own unit; units of one
# layer do not know one another.
LAYERS = [
    {"signatures"},
    {"errors", "util"},
    {"config", "dtypes", "pytree"},
    {"tree"},
    {"tree_util"},
    {"core"},
    {"typing", "monitoring"},
    {"kernel"},
    {"ops"},
    {"transforms"},
    {"calls"},
    {"passes"},
    {
        "backends",
        "devices",
        "debug",
        "ad_checkpoint",
        "experimental",
        "sharding",
        "stages",
        "api_util",
        "custom_derivatives",
        "export",
        "profiler",
    },
    {"lax", "timing"},
    {"numpy"},
    {"random", "flatten_util", "image"},
    {"nn"},
    {"scipy"},
    {"optim"},
    {"data", "distributed", "explain"},
    {"fx"},  # the package itself: fx/__init__.py
    {"testing", "example_libraries"},
    {"test_util", "train"},
    {"__main__"},
]
LEVEL = {unit: level for level, units in enumerate(LAYERS) for unit in units}

# What may be imported from outside the standard library, and where.
EVERYWHERE = {"numpy", "ml_dtypes"}
ELSEWHERE = {
    "hypothesis": {"testing"},
    "matplotlib": {"train"},
    "safetensors": {"train"},
    "tqdm": {"train", "data"},
    "mpi4py": {"distributed"},
    "cupy": {"backends"},
    "llvmlite": {"backends"},
}

LONGEST = 600
LONG = {
    "fx/numpy/__init__.py": "a list of names: what fx.numpy exports, and where each comes from",
    "fx/calls/custom.py": "custom_jvp and custom_vjp share their argument handling",
}


@functools.cache
def modules():
    """Name -> path of all modules of the package."""
    found = {}
    for path in sorted((ROOT / "fx").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def unit(module):
    """The part of the package that a module belongs to."""
    return (module.split(".") + ["fx"])[1] if "." in module else "fx"


@functools.cache
def parsed(module):
    return ast.parse(modules()[module].read_text())


def for_type_checkers(tree):
    """All nodes below `if TYPE_CHECKING:`."""
    blocks = [
        n
        for n in ast.walk(tree)
        if isinstance(n, ast.If) and "TYPE_CHECKING" in ast.unparse(n.test)
    ]
    return {inner for block in blocks for n in block.body for inner in ast.walk(n)}


@functools.cache
def imports(module):
    """(line, imported module) of all imports that run."""
    hidden, found = for_type_checkers(parsed(module)), []
    for node in ast.walk(parsed(module)):
        if node in hidden:
            continue
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module}:{node.lineno}: relative import"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                found.append((node.lineno, whole if whole in modules() else node.module))
    return found


def internal(module):
    """The modules of the package that a module imports."""
    return {name for _, name in imports(module) if name in modules()} - {module}


def test_every_unit_has_a_layer():
    assert {unit(m) for m in modules()} <= set(LEVEL)


@pytest.mark.parametrize("name", sorted(LEVEL))
def test_imports_go_only_down_the_layers(name):
    wrong = [
        f"{module}:{line} imports {target}"
        for module in modules()
        if unit(module) == name
        for line, target in imports(module)
        if target in modules() and unit(target) != name and LEVEL[unit(target)] >= LEVEL[name]
    ]
    assert wrong == []


def test_imports_have_no_cycles():
    done, path = set(), []

    def visit(module):
        if module in path:
            raise AssertionError(" -> ".join([*path[path.index(module) :], module]))
        if module not in done:
            path.append(module)
            for target in sorted(internal(module)):
                visit(target)
            path.pop()
            done.add(module)

    for module in modules():
        visit(module)


def test_functions_import_nothing():
    functions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
    wrong = [
        f"{module}:{node.lineno}"
        for module in modules()
        for function in ast.walk(parsed(module))
        if isinstance(function, functions)
        for node in ast.walk(function)
        if isinstance(node, (ast.Import, ast.ImportFrom))
    ]
    assert wrong == []


def test_other_packages_are_imported_where_they_belong():
    wrong = []
    for module in modules():
        for line, target in imports(module):
            package = target.split(".")[0]
            if package in sys.stdlib_module_names or package in EVERYWHERE | {"fx"}:
                continue
            if unit(module) not in ELSEWHERE.get(package, ()):
                wrong.append(f"{module}:{line} imports {package}")
    assert wrong == []


def test_files_are_short_or_have_a_reason():
    lines = {
        str(path.relative_to(ROOT)): len(path.read_text().splitlines())
        for path in modules().values()
    }
    long = {name for name, count in lines.items() if count > LONGEST}
    assert long - set(LONG) == set()
    assert set(LONG) <= set(lines), "a file that is gone"


@pytest.mark.parametrize("module", [m for m in modules() if m != "fx.__main__"])
def test_all_names_what_exists_once_and_in_order(module):
    if unit(module) == "train":
        pytest.importorskip("matplotlib")
        pytest.importorskip("safetensors")
    loaded = importlib.import_module(module)
    names = getattr(loaded, "__all__", [])
    assert len(names) == len(set(names))
    for name in names:
        assert hasattr(loaded, name), name
    assert loaded.__doc__ or not modules()[module].read_text().strip(), "a module says what it is"
