"""What Ray has to say about its machines, in a line and in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import ray

from introsearch.execution.ray.machines import MachineWatch, keep_messages


def machines(*alive: bool) -> list[dict[str, Any]]:
    """As `ray.nodes` describes them."""
    return [{"NodeID": f"{i}", "NodeName": f"node{i}", "Alive": a} for i, a in enumerate(alive)]


def test_a_lost_machine_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(ray, "nodes", lambda: machines(True, True, False, True))
    watch = MachineWatch(told.append)
    for alive in ((True, True, False, True), (True, False, False, True), (True, False, False)):
        monkeypatch.setattr(ray, "nodes", lambda alive=alive: machines(*alive))
        for _ in range(2):
            watch.next_look = 0.0
            watch.look()
    assert [text.partition(" ")[0] for text in told] == ["node1", "node3"]


def test_a_single_machine_is_not_asked_about(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "nodes", lambda: machines(True))
    watch = MachineWatch(lambda text: pytest.fail(text))
    monkeypatch.setattr(ray, "nodes", lambda: pytest.fail("asked"))
    watch.look()


def test_messages_go_to_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    worker = ray._private.worker
    monkeypatch.setattr(worker, "print_to_stdstream", worker.print_to_stdstream)
    keep_messages(tmp_path / "ray.txt")
    data = {"lines": ["a", "b"], "pid": "raylet", "is_err": False}
    worker.print_to_stdstream(data, ignore_prefix=False)
    assert (tmp_path / "ray.txt").read_text() == "(raylet) a\n(raylet) b\n"
    assert capsys.readouterr().out == ""
