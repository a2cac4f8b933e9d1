"""The data-apis suite with few examples, where there is a checkout of it; and its skip list."""

import os
from pathlib import Path

import pytest

from tests.array_api import suite

CHECKOUT = os.environ.get(suite.VARIABLE)


@pytest.mark.parametrize("module", suite.modules(Path(CHECKOUT)) if CHECKOUT else ["all"])
@pytest.mark.skipif(not CHECKOUT, reason=f"{suite.VARIABLE} names no checkout of the suite")
def test_suite(module):
    done = suite.run(Path(CHECKOUT), 5, [module], capture=True)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]


def test_every_skip_has_a_reason():
    reason, skips = "", {}
    for line in suite.SKIPS.read_text().splitlines():
        if line.startswith("#"):
            reason += line.removeprefix("#")
        elif line:
            assert line.startswith("array_api_tests/test_") and "::" in line
            assert line not in skips and len(reason) > 20, line
            skips[line] = reason
            reason = ""
        else:
            reason = ""
    assert len(skips) == 5  # a shorter list is better, a longer one wants a good reason


def test_a_folder_that_is_no_checkout_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="array-api-tests, made with --recurse-submodules"):
        suite.modules(tmp_path)
