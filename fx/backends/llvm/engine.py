"""LLVM for the host: text in, addresses out.

All kernels of a program are compiled as one module, which spares the fixed cost of each, and a
kernel whose text was compiled before is not compiled again. Compiled code lives as long as the
process.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Sequence

import llvmlite.binding as llvm


class _Engine:
    def __init__(self) -> None:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        target = llvm.Target.from_default_triple()
        features = llvm.get_host_cpu_features()
        self.machine = target.create_target_machine(
            cpu=llvm.get_host_cpu_name(), features=features.flatten(), opt=1
        )
        self.jit = llvm.create_lljit_compiler(self.machine)
        self.triple = target.triple
        # Lanes of a float32 vector in one register.
        self.lanes = 16 if features.get("avx512f") else 8 if features.get("avx2") else 4
        self.lock = threading.Lock()
        self.count = 0
        self.trackers: list[object] = []  # keep compiled code alive


_engine: list[_Engine] = []
_making = threading.Lock()
_addresses: dict[str, int] = {}  # digest of a kernel's text -> its address


def engine() -> _Engine:
    """The compiler of this process, made at first use."""
    if not _engine:
        with _making:
            if not _engine:
                _engine.append(_Engine())
    return _engine[0]


def lanes() -> int:
    """How many float32 fit a vector register of this machine."""
    return engine().lanes


def optimized(text: str) -> llvm.ModuleRef:
    """Parse, verify and optimize a module."""
    e = engine()
    module = llvm.parse_assembly(f'target triple = "{e.triple}"\n{text}')
    module.verify()
    # Kernels come as vectors with their invariants hoisted: little is left to improve, and the
    # usual pipeline takes twice as long as these for the same speed.
    passes = llvm.create_new_module_pass_manager()
    passes.add_sroa_pass()
    passes.add_new_gvn_pass()
    passes.add_simplify_cfg_pass()
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    passes.run(module, llvm.create_pass_builder(e.machine, options))
    return module


def compile_module(text: str, names: Iterable[str]) -> dict[str, int]:
    """Addresses of functions of a module."""
    e = engine()
    with e.lock:
        module = optimized(text)
        library = llvm.JITLibraryBuilder().add_ir(module).add_current_process()
        for name in names:
            library.export_symbol(name)
        e.count += 1
        tracker = library.link(e.jit, f"fx{e.count}")
        e.trackers.append(tracker)
        return {name: tracker[name] for name in names}


def module_text(kernels: Sequence[tuple[str, dict[str, str]]]) -> tuple[str, list[str]]:
    """One module of several kernels, and the names of their functions."""
    names, bodies = [], []
    declared: dict[str, str] = {}
    for body, needs in kernels:
        name = "k" + hashlib.blake2b(body.encode(), digest_size=12).hexdigest()
        if name not in names:
            bodies.append(body.replace("@KERNEL", f"@{name}"))
            declared.update(needs)
        names.append(name)
    return "\n".join([*declared.values(), *bodies]), names


def compile_kernels(kernels: Sequence[tuple[str, dict[str, str]]]) -> list[int]:
    """The address of each kernel, given as (body, declarations)."""
    _, names = module_text(kernels)
    new = {n: k for n, k in zip(names, kernels, strict=True) if n not in _addresses}
    if new:
        text, wanted = module_text(list(new.values()))
        _addresses.update(compile_module(text, list(dict.fromkeys(wanted))))
    return [_addresses[n] for n in names]
