"""A trace holds the spans of its block, with their order, nesting, threads and notes."""

import json
import pstats
import threading

import pytest

import fx
from fx.errors import FxValueError
from fx.profiler import (
    ProfileOptions,
    StepTraceAnnotation,
    TraceAnnotation,
    annotate_function,
    start_trace,
    stop_trace,
    trace,
)


@annotate_function
def inner(x):
    return x + 1


def test_spans_of_a_block_are_on_the_time_line(tmp_path):
    inner(0)  # outside: not recorded
    with trace(tmp_path / "run"):
        for i in range(2):
            with StepTraceAnnotation("step", step_num=i, what=fx.P("x")):
                inner(i)
        thread = threading.Thread(target=TraceAnnotation("other")(inner), args=(3,))
        thread.start()
        thread.join()
    inner(0)
    events = json.loads((tmp_path / "run" / "trace.json").read_text())["traceEvents"]
    names = [e["name"] for e in events]
    assert names == ["inner", "step", "inner", "step", "inner", "other"]
    assert events[1]["args"] == {"step_num": 0, "what": "PartitionSpec('x')"}
    for inside, outside in ((0, 1), (2, 3), (4, 5)):
        a, b = events[inside], events[outside]
        assert b["ts"] <= a["ts"] and a["ts"] + a["dur"] <= b["ts"] + b["dur"]
    assert len({e["tid"] for e in events}) == 2 and all(e["ph"] == "X" for e in events)
    functions = pstats.Stats(str(tmp_path / "run" / "profile.pstats")).stats
    assert any(name == "inner" for _, _, name in functions)


def test_options_leave_parts_out(tmp_path):
    with trace(tmp_path, profiler_options=ProfileOptions(0, 0)), TraceAnnotation("a"):
        pass
    assert json.loads((tmp_path / "trace.json").read_text())["traceEvents"] == []
    assert not (tmp_path / "profile.pstats").exists()


def test_traces_do_not_nest_and_end_when_the_block_fails(tmp_path):
    with pytest.raises(FxValueError, match="start_trace first"):
        stop_trace()
    with pytest.raises(FxValueError, match="stop_trace first"), trace(tmp_path):
        start_trace(tmp_path)
    with pytest.raises(ZeroDivisionError), trace(tmp_path):
        1 / 0
    with trace(tmp_path):
        pass
