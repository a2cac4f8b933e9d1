"""The command line: what it refuses and why, what it prints, and Ctrl-C in a real process."""

import os
import re
import signal
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

import fx
from fx.train import cli
from fx.train.cli import main
from fx.train.config import Config


def refused(capsys, *arguments):
    """The message with which the command line refuses its arguments."""
    with pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert "Traceback" not in error
    return error.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dropout", "1.5"], "--dropout: expected a number from 0 to below 1, got '1.5'"),
        (["--epochs", "-1"], "--epochs: expected a whole number of at least 1, got '-1'"),
        (["--epochs", "2.5"], "--epochs: expected a whole number of at least 1, got '2.5'"),
        (["--batch-size", "0"], "--batch-size: expected a whole number of at least 1"),
        (["--lr", "nan"], "--lr: expected a number above 0, got 'nan'"),
        (["--l1", "-1"], "--l1: expected a number of at least 0"),
        (["--momentum", "1"], "--momentum: expected a number from 0 to below 1"),
        (["--seed", "x"], "--seed: expected a whole number"),
        (["--optimizer", "lion"], "--optimizer: expected one of adam, adamw, sgd, got 'lion'"),
        (["--nesterov"], "nesterov: expected optimizer sgd with a momentum above 0"),
        (["--learning-rate", "1"], "unrecognized arguments: --learning-rate"),
        (["--device", "cpuu"], "--device: expected a device of this machine, such as cpu:0"),
        (["--device", "cpu:x"], "--device: expected a device of this machine"),
    ],
)
def test_bad_options(capsys, tmp_path, arguments, message):
    assert message in refused(capsys, *arguments, "--out", tmp_path)


def test_a_missing_data_folder(capsys, tmp_path):
    message = refused(capsys, "--data", tmp_path / "nowhere", "--out", tmp_path)
    assert "expected a folder with MNIST's IDX files" in message and "does not exist" in message


def test_an_out_folder_that_cannot_be_made(capsys, tmp_path):
    (tmp_path / "file").touch()
    message = refused(capsys, "--out", tmp_path / "file" / "run")
    assert "--out: cannot write into" in message and "choose another folder" in message


def test_a_batch_larger_than_the_data(capsys, tmp_path):
    message = refused(capsys, "--batch-size", 5000, "--out", tmp_path)
    assert "batch size of at most 4000" in message


def test_nothing_to_resume(capsys, tmp_path):
    assert "found no checkpoint.safetensors" in refused(capsys, "--resume", "--out", tmp_path)


def test_resuming_a_damaged_file(capsys, tmp_path):
    (tmp_path / "checkpoint.safetensors").write_bytes(b"damaged, and long enough to be read")
    assert "is damaged" in refused(capsys, "--resume", "--out", tmp_path)


def test_help_explains_every_option(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    names = [field.name.replace("_", "-") for field in fields(Config)]
    for name in [*names, "data", "out", "resume", "device"]:
        assert re.search(rf"^  --{name}\b.*\n?.*\w{{3}}", text, re.M), name
    assert all(len(line) <= 100 for line in text.splitlines())


def test_a_run_from_start_to_end(capsys, tmp_path, idx_folder):
    out = tmp_path / "made" / "run"
    options = ["--data", str(idx_folder), "--out", str(out), "--epochs", "3", "--seed", "1"]
    assert main(options) == 0
    captured = capsys.readouterr()
    for epoch in (1, 2, 3):
        assert re.search(rf"epoch {epoch}/3 100%.*loss \d.*test accuracy \d", captured.err)
    accuracy = float(re.search(r"test accuracy ([\d.]+) %, trained at", captured.out)[1])
    assert accuracy > 40  # 30 steps only
    assert captured.out.count("wrote ") == 4
    for line in captured.out.splitlines()[1:]:
        assert (out / line.rpartition("/")[2]).is_file()

    assert main(["--resume", "--data", str(idx_folder), "--out", str(out)]) == 0
    assert f"test accuracy {accuracy:.2f} %" in capsys.readouterr().out
    message = refused(capsys, "--resume", "--out", out, "--epochs", 5)
    assert "--epochs 5 (was 3)" in message


def test_divergence_ends_with_a_message(capsys, tmp_path, idx_folder):
    options = ["--data", str(idx_folder), "--out", str(tmp_path), "--lr", "1e30"]
    assert main(options) == 1
    assert "try a lower learning rate" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
def test_ctrl_c_saves_and_says_how_to_resume(tmp_path, idx_folder):
    out = tmp_path / "a run"  # the command that is shown must quote the space
    command = [sys.executable, "-m", "fx", "--data", str(idx_folder), "--out", str(out)]
    process = subprocess.Popen([*command, "--epochs", "500"], stderr=subprocess.PIPE)
    seen = b""
    while b"loss" not in seen:
        chunk = process.stderr.read1()
        assert chunk, seen.decode()
        seen += chunk
    process.send_signal(signal.SIGINT)
    rest = process.communicate(timeout=60)[1].decode()
    assert process.returncode == 130
    assert "Traceback" not in rest
    assert re.search(
        r"stopped in epoch 1 of 500, after step \d+; the state is in .*checkpoint", rest
    )
    assert f"python -m fx --resume --out '{out}' --data {idx_folder}" in rest
    assert (out / "checkpoint.safetensors").is_file()


def test_ctrl_c_before_the_first_step(capsys, monkeypatch, tmp_path):
    def interrupted(folder):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "load", interrupted)
    assert main(["--out", str(tmp_path)]) == 130
    assert "stopped at once, without saving" in capsys.readouterr().err


@pytest.mark.slow
def test_the_defaults_reach_98_percent(capsys, tmp_path):
    assert main(["--out", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert float(re.search(r"test accuracy ([\d.]+) %", out)[1]) >= 98.0


@pytest.mark.parametrize("package", ["matplotlib", "safetensors"])
def test_a_missing_package_is_named_with_the_command_that_installs_it(tmp_path, package):
    (tmp_path / f"{package}.py").write_text(
        f"raise ModuleNotFoundError('No module', name={package!r})"
    )
    paths = [str(tmp_path), str(Path(fx.__file__).parent.parent)]
    done = subprocess.run(
        [sys.executable, "-m", "fx"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"python -m fx needs {package}, which is not installed; install it with: "
        "pip install 'fx[train]'"
    ]
