"""Listeners get what is reported, in order, until they are taken off."""

import pytest

from fx import monitoring as m
from fx.errors import FxTypeError, FxValueError

KINDS = {
    "event": (
        m.register_event_listener,
        m.unregister_event_listener,
        lambda **k: m.record_event("/a", **k),
        ("/a",),
    ),
    "duration": (
        m.register_event_duration_secs_listener,
        m.unregister_event_duration_listener,
        lambda **k: m.record_event_duration_secs("/a", 1.5, **k),
        ("/a", 1.5),
    ),
    "span": (
        m.register_event_time_span_listener,
        m.unregister_event_time_span_listener,
        lambda **k: m.record_event_time_span("/a", 1.0, 2.0, **k),
        ("/a", 1.0, 2.0),
    ),
    "scalar": (
        m.register_scalar_listener,
        m.unregister_scalar_listener,
        lambda **k: m.record_scalar("/a", 3, **k),
        ("/a", 3),
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_listeners(kind):
    register, unregister, record, expected = KINDS[kind]
    seen = []

    def first(*args, **kwargs):
        seen.append((1, args, kwargs))

    def second(*args, **kwargs):
        seen.append((2, args, kwargs))

    register(first)
    register(second)
    for other in set(KINDS) - {kind}:
        KINDS[other][2]()
    record(note="x")
    unregister(first)
    record()
    assert seen == [(1, expected, {"note": "x"}), (2, expected, {"note": "x"}), (2, expected, {})]
    m.clear_event_listeners()
    record()
    assert len(seen) == 3
    with pytest.raises(FxValueError, match=r"no .* listener"):
        unregister(second)
    with pytest.raises(FxTypeError, match="callable"):
        register(3)
