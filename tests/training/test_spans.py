from introsearch.training import spans
from introsearch.training.spans import SpanClock, span


def test_time_inside_a_span_is_not_its_surroundings(monkeypatch):
    now = iter(range(0, 100, 10))
    monkeypatch.setattr("introsearch.training.spans.time.perf_counter", lambda: next(now))
    waits = []
    clock = SpanClock(lambda: waits.append(1))
    with clock.measuring(), span("step"), span("optimiser"):
        pass
    assert clock.seconds == {"step": 20, "optimiser": 10}
    assert len(waits) == 4


def test_without_a_clock_a_span_does_nothing():
    clock = SpanClock(lambda: None)
    with clock.measuring():
        pass
    assert span("step") is span("other") is spans._NOTHING
    with span("step"):
        pass
    assert clock.seconds == {}
