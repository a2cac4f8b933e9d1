"""`python -m fx`: trains the network that reads digits. `python -m fx --help` explains."""

import sys

try:
    from fx.train.cli import main
except ModuleNotFoundError as error:
    if error.name not in ("matplotlib", "safetensors"):
        raise
    sys.exit(
        f"python -m fx needs {error.name}, which is not installed; install it with: "
        "pip install 'fx[train]'"
    )

if __name__ == "__main__":
    sys.exit(main())
