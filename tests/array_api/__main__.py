"""Run the data-apis suite on `fx.numpy`; see `suite.py`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from tests.array_api import suite


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.array_api", description=(suite.__doc__ or "").splitlines()[0]
    )
    parser.add_argument(
        "checkout",
        type=Path,
        nargs="?",
        default=os.environ.get(suite.VARIABLE),
        help=f"of data-apis/array-api-tests; by default ${suite.VARIABLE}",
    )
    parser.add_argument("--max-examples", type=int, default=200, help="of each test (200)")
    options, rest = parser.parse_known_args()
    if options.checkout is None:
        parser.error(f"name the checkout, or set {suite.VARIABLE}")
    checkout = Path(options.checkout)
    return suite.run(checkout, options.max_examples, [*suite.modules(checkout), *rest]).returncode


if __name__ == "__main__":
    sys.exit(main())
