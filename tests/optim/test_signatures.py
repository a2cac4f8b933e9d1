"""Every public name of Optax that fx has: the same parameters, in the same order and kind."""

import inspect

import pytest

from fx import optim

optax = pytest.importorskip("optax")

MODULES = (
    "",
    "contrib",
    "losses",
    "microbatching",
    "perturbations",
    "projections",
    "schedules",
    "tree",
    "tree_utils",
)

# What differs on purpose, and why.
KNOWN = {
    "adam": "bias_correction is fx's own keyword",
    "adamw": "bias_correction is fx's own keyword",
    "nadam": "bias_correction is fx's own keyword",
    "nadamw": "bias_correction is fx's own keyword",
    "scale_by_adam": "bias_correction is fx's own keyword",
}
# Defaults that differ on purpose, and why.
DEFAULTS = {
    "lbfgs.linesearch": "an object of its own",
    "scale_by_factored_rms.decay_rate_fn": "a function of its own",
    "tree_random_like.sampler": "a function of its own",
    "random_like.sampler": "a function of its own",
    "make_perturbed_fun.noise": "an object of its own",
}
# Modules of Optax of which fx has only a part: contributed optimizers that few programs use.
PARTIAL = ("contrib",)


def shared():
    for module in MODULES:
        ours = getattr(optim, module) if module else optim
        theirs = getattr(optax, module) if module else optax
        for name in dir(ours):
            if not name.startswith("_") and hasattr(theirs, name):
                a, b = getattr(ours, name), getattr(theirs, name)
                if callable(a) and not inspect.ismodule(a):
                    yield pytest.param(name, a, b, id=f"{module}.{name}".lstrip("."))


def parameters(f):
    try:
        return [(p.name, p.kind, p.default) for p in inspect.signature(f).parameters.values()]
    except ValueError:
        return None


def plain(default):
    return default is None or isinstance(default, (bool, int, float, str, tuple))


@pytest.mark.parametrize(("name", "ours", "theirs"), list(shared()))
def test_parameters(name, ours, theirs):
    if hasattr(theirs, "_fields"):
        assert ours._fields == theirs._fields
        return
    a, b = parameters(ours), parameters(theirs)
    if b is None or (inspect.isclass(ours) and getattr(ours, "_is_protocol", False)):
        return
    if name in KNOWN:
        assert a != b, f"{name} no longer differs: take it off the list"
        a = [p for p in a if p[0] != "bias_correction"]
    assert [(n, str(k)) for n, k, _ in a] == [(n, str(k)) for n, k, _ in b]
    for (n, _, x), (_, _, y) in zip(a, b, strict=True):
        if f"{name}.{n}" in DEFAULTS or not plain(y):
            continue
        assert x == y, f"default of {n}"


@pytest.mark.parametrize("module", sorted(set(MODULES) - set(PARTIAL)))
def test_nothing_is_missing(module):
    """Every public function and class of Optax is there."""
    ours = getattr(optim, module) if module else optim
    theirs = getattr(optax, module) if module else optax
    public = {name: x for name, x in vars(theirs).items() if not name.startswith("_")}
    missing = {
        name
        for name, x in public.items()
        if callable(x)
        and (getattr(x, "__module__", None) or "").startswith("optax")
        and not hasattr(ours, name)
    }
    assert not missing
