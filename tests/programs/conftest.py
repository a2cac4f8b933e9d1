"""Every jaxpr that the laws make is type-checked."""

from collections.abc import Iterator

import pytest

import fx


@pytest.fixture(autouse=True, scope="module")
def _checks() -> Iterator[None]:
    with fx.config.scope(enable_checks=True):
        yield
