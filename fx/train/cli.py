"""The command line of `python -m fx`: options, their checks, and what a run says at its end."""

import argparse
import shlex
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

import fx
from fx.data import load
from fx.errors import FileError, FxError, FxValueError
from fx.train import checkpoint
from fx.train.config import OPTIMIZERS, Config
from fx.train.loop import CHECKPOINT, Diverged, Interrupted, train

_EPILOG = """\
examples:
  python -m fx                                        the defaults, 98 % and more on the CPU
  python -m fx --optimizer sgd --lr 0.01 --momentum 0.9 --nesterov
  python -m fx --data ~/mnist --epochs 3              the whole of MNIST, from its IDX files
  python -m fx --resume                               go on where Ctrl-C stopped the last run
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status (130 after Ctrl-C, 2 for bad options)."""
    parser = _parser()
    given = vars(parser.parse_args(arguments))
    folder, out = given.pop("data"), given.pop("out")
    resume, device = given.pop("resume"), given.pop("device")
    try:
        config = _config(given, out / CHECKPOINT if resume else None)
        digits = load(folder)
        _make_writable(out)
        report = train(config, digits, out, resume=resume, device=_device(device))
    except Interrupted as error:
        again = ["python", "-m", "fx", "--resume", "--out", str(out)]
        if folder is not None:
            again += ["--data", str(folder)]
        print(f"\n{error}\nTo go on: {shlex.join(again)}", file=sys.stderr)
        return 130
    except KeyboardInterrupt:  # before the first step, or for the second time
        print("\nstopped at once, without saving", file=sys.stderr)
        return 130
    except Diverged as error:
        print(f"\nerror: {error}", file=sys.stderr)
        return 1
    except (FileError, FxValueError) as error:
        parser.error(str(error))
    print(
        f"test accuracy {100 * report.accuracy:.2f} %, "
        f"trained at {report.images_per_second:,.0f} images a second"
    )
    for path in report.files:
        print(f"wrote {path}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m fx",
        description="Trains a convolutional network to read handwritten digits. Without --data it\n"
        "uses the 5,000 MNIST digits that ship with fx: 4,000 to train, 1,000 to test.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        # Options that are not given stay out of the result: a resumed run takes them from its file.
        argument_default=argparse.SUPPRESS,
    )
    for option in fields(Config):
        flag = "--" + option.name.replace("_", "-")
        text = option.metadata["help"].replace("%", "%%")
        if option.default is False:
            parser.add_argument(flag, action="store_true", help=text)
            continue
        if option.default is not None:
            text += f" (default: {option.default})"
        metavar = option.metadata["metavar"]
        if option.name == "optimizer":
            metavar = "{" + ",".join(OPTIMIZERS) + "}"
        parser.add_argument(flag, type=_checked(option), metavar=metavar, help=text)
    add = parser.add_argument
    add(
        "--data",
        type=Path,
        metavar="FOLDER",
        default=None,
        help="read MNIST's four IDX files (plain or .gz) from here instead of the bundled digits",
    )
    add(
        "--out",
        type=Path,
        metavar="FOLDER",
        default=Path("runs/digits"),
        help="where weights, pictures and the state to resume go (default: runs/digits)",
    )
    add(
        "--resume",
        action="store_true",
        default=False,
        help="continue the run whose state is in --out, with its options and to the same result",
    )
    add(
        "--device",
        metavar="NAME",
        default="cpu",
        help="what to compute on: cpu, or a platform with a number such as gpu:0 (default: cpu)",
    )
    add("--version", action="version", version=f"fx {fx.__version__}")
    return parser


def _checked(option):
    """The field's own check, as argparse wants it."""

    def parse(text):
        try:
            return option.metadata["check"](text)
        except FxValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return parse


def _config(given, saved) -> Config:
    """The options of the new run; or those of the saved one, which the given ones must equal."""
    if saved is None:
        return Config(**given)
    if not saved.is_file():
        raise FileError(
            f"--resume: found no {saved.name} in {str(saved.parent)!r}; name the folder of the "
            "interrupted run with --out, or leave --resume out to start a new run"
        )
    stored = checkpoint.load_metadata(saved).get("config")
    if stored is None:
        raise FileError(f"--resume: {str(saved)!r} holds no training state")
    changed = [name for name, value in given.items() if stored.get(name) != value]
    if changed:
        raise FxValueError(
            "--resume: expected the options of the interrupted run, got "
            + ", ".join(
                f"--{n.replace('_', '-')} {given[n]} (was {stored.get(n)})" for n in changed
            )
            + "; leave them out, or start a new run without --resume"
        )
    return Config(**stored)


def _make_writable(folder: Path) -> None:
    """Finds out at the start, not after minutes of training."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise FileError(
            f"--out: cannot write into {str(folder)!r}: {error.strerror}; choose another folder"
        ) from error


def _device(name: str):
    platform, _, number = name.partition(":")
    try:
        return fx.devices(platform)[int(number or 0)]
    except (FxError, RuntimeError, ValueError, IndexError):
        raise FxValueError(
            f"--device: expected a device of this machine, such as "
            f"{', '.join(str(device) for device in fx.devices())}, got {name!r}"
        ) from None
