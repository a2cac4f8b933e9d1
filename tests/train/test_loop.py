"""The loop: a run that was stopped anywhere and resumed equals one that was not, bit for bit."""

import os
import signal

import numpy as np
import pytest

from fx.errors import FileError, FxValueError
from fx.train import checkpoint, loop
from fx.train.config import Config
from fx.train.digits import build

CONFIG = Config(epochs=2, batch_size=16, l1=1e-6)  # 4 steps an epoch
NAMES = ["checkpoint.safetensors", "confusion.png", "curves.png", "weights.safetensors"]


@pytest.fixture(scope="module")
def uninterrupted(digits, tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    return loop.train(CONFIG, digits, out), out


def interrupt_at(monkeypatch, number, times=1):
    """Makes the step of that number behave as if Ctrl-C were pressed while it computes."""

    def build_interrupted(config, steps):
        programs = build(config, steps)

        def step(state, images, labels):
            if int(state.step) == number - 1:
                for _ in range(times):
                    os.kill(os.getpid(), signal.SIGINT)
            return programs.step(state, images, labels)

        return programs._replace(step=step)

    monkeypatch.setattr(loop, "build", build_interrupted)


def test_what_a_run_leaves(uninterrupted, digits):
    report, out = uninterrupted
    assert sorted(os.listdir(out)) == NAMES
    assert sorted(path.name for path in report.files) == NAMES
    assert report.images_per_second > 0
    programs = build(CONFIG, 8)
    like = programs.init(digits.train_images[:1]).params
    params = checkpoint.load(out / "weights.safetensors", like)
    predictions = loop.predict(programs, params, digits.test_images)
    assert report.accuracy == np.mean(predictions == digits.test_labels)
    about = checkpoint.load_metadata(out / "checkpoint.safetensors")
    assert len(about["losses"]) == 8 and len(about["accuracies"]) == 2
    assert about["losses"][-1] < about["losses"][0]


@pytest.mark.parametrize("step", [1, 3, 4, 6])
def test_resuming_gives_the_same_bits(uninterrupted, digits, tmp_path, monkeypatch, step):
    with monkeypatch.context() as patch:
        interrupt_at(patch, step)
        with pytest.raises(
            loop.Interrupted, match=f"epoch {1 + (step - 1) // 4} of 2, after step {step}"
        ):
            loop.train(CONFIG, digits, tmp_path)
    assert os.listdir(tmp_path) == ["checkpoint.safetensors"]
    report = loop.train(CONFIG, digits, tmp_path, resume=True)
    expected, out = uninterrupted
    assert report.accuracy == expected.accuracy
    for name in ("weights.safetensors", "curves.png", "confusion.png"):
        assert (tmp_path / name).read_bytes() == (out / name).read_bytes()


def test_an_interrupt_in_the_last_step_finishes_the_run(digits, tmp_path, monkeypatch):
    interrupt_at(monkeypatch, 8)
    with pytest.raises(loop.Interrupted, match="after step 8"):
        loop.train(CONFIG, digits, tmp_path)
    monkeypatch.undo()
    assert len(loop.train(CONFIG, digits, tmp_path, resume=True).files) == 4


def test_a_second_ctrl_c_stops_at_once(digits, tmp_path, monkeypatch):
    interrupt_at(monkeypatch, 1, times=2)
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        loop.train(CONFIG, digits, tmp_path)
    assert signal.getsignal(signal.SIGINT) is handler


def test_resuming_a_finished_run_reports_again(uninterrupted, digits):
    expected, out = uninterrupted
    assert loop.train(CONFIG, digits, out, resume=True).accuracy == expected.accuracy


@pytest.mark.parametrize("change", [{"lr": 0.5}, {"seed": 3}, {"epochs": 3}])
def test_resuming_with_other_options_is_refused(uninterrupted, digits, change):
    other = Config(**{"epochs": 2, "batch_size": 16, "l1": 1e-6, **change})
    with pytest.raises(FileError, match="other options or data"):
        loop.train(other, digits, uninterrupted[1], resume=True)


def test_resuming_with_other_data_is_refused(uninterrupted, digits):
    fewer = digits._replace(
        train_images=digits.train_images[:63], train_labels=digits.train_labels[:63]
    )
    with pytest.raises(FileError, match="other options or data"):
        loop.train(CONFIG, fewer, uninterrupted[1], resume=True)


def test_the_seed_decides(uninterrupted, digits, tmp_path):
    loop.train(Config(epochs=2, batch_size=16, l1=1e-6, seed=1), digits, tmp_path)
    ours, theirs = (
        checkpoint.load_metadata(p / loop.CHECKPOINT) for p in (tmp_path, uninterrupted[1])
    )
    assert ours["losses"] != theirs["losses"]


@pytest.mark.parametrize(
    "config",
    [
        Config(optimizer="sgd", lr=0.01, momentum=0.9, epochs=1, batch_size=32),
        Config(optimizer="sgd", lr=0.01, nesterov=True, epochs=1, batch_size=32),
        Config(optimizer="adamw", l2=0.01, dropout=0.0, epochs=1, batch_size=32),
    ],
)
def test_other_optimizers_learn(digits, tmp_path, config):
    loop.train(config, digits, tmp_path)
    losses = checkpoint.load_metadata(tmp_path / loop.CHECKPOINT)["losses"]
    assert np.isfinite(losses).all()


def test_divergence_is_reported(digits, tmp_path):
    with pytest.raises(loop.Diverged, match="try a lower learning rate"):
        loop.train(Config(lr=1e30, epochs=9, batch_size=32), digits, tmp_path)


def test_a_batch_larger_than_the_data(digits, tmp_path):
    with pytest.raises(FxValueError, match="batch size of at most 64"):
        loop.train(Config(batch_size=65), digits, tmp_path)
