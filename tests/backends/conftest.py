"""These tests are about the compiler."""

import pytest

import fx


@pytest.fixture(autouse=True)
def compiler(monkeypatch):
    before = fx.config.cpu_backend
    fx.config.update("cpu_backend", "llvm")
    monkeypatch.setenv("FX_CPU_BACKEND", "llvm")  # for processes that a test starts
    yield
    fx.config.update("cpu_backend", before)
