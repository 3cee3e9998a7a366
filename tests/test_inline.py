"""A study in one process: the record of a Ray run to the bit, and nothing lost by any end."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from introsearch.record import tags
from introsearch.statuses import Status
from tests.test_end_to_end import INLINE, STUDY, Study, check_interrupted

BROKEN = """\
from introsearch.data.toy import ToyData


class Broken(ToyData):
    half_width = 2.0

    def sample(self, n, generator):
        print("still")
        raise RuntimeError("no more data")
"""
HOLDING = """\
import time
from pathlib import Path


def spread(view, generator):
    if Path("hold").exists():
        Path("hold").rename("held")
        time.sleep(60)
    return view.prior.sample(10, generator).std()
"""
pytestmark = pytest.mark.slow


def all_ends(study: Study) -> Study:
    """Trials that finish, are stopped, diverge and fail."""
    (study.folder / "broken.py").write_text(BROKEN)
    text = STUDY.partition("  ip:")[0].replace("report: [1, 2]", "report: [1]")
    study.file.write_text(
        f"{text}  hot: {{learning_rate: 1.0e+30, beta_kl: 0.1}}\n"
        "  broken: {dataset: 'broken:Broken', beta_kl: 0.1}\n"
        "early_terminate: {min_iter: 20, max_iter: 60, eta: 2}\nevaluate_every: 10\n"
        "budget: {max_restarts: 0}\n"
    )
    return study


def held_in_an_evaluation(study: Study) -> Study:
    """A trial waits to be interrupted, where a file says so."""
    (study.folder / "holding.py").write_text(HOLDING)
    text = STUDY.replace("{name: hist_kl_paper}", "{name: 'holding:spread', goal: minimize}")
    study.file.write_text(text)
    return study


@pytest.fixture
def studies(tmp_path: Path, empty_database: Path) -> Iterator[tuple[Study, Study]]:
    found = Study(tmp_path / "ray", empty_database), Study(tmp_path / "inline", empty_database)
    yield found
    for study in found:
        study.kill_session()


def test_the_record_is_that_of_a_ray_run(studies: tuple[Study, Study]) -> None:
    by_ray, inline = map(all_ends, studies)
    by_ray.start()
    assert by_ray.wait() == 1, by_ray.log.read_text()
    inline.start(*INLINE)
    assert inline.wait() == 1, inline.log.read_text()
    ends = {entry["words"][tags.STATUS] for entry in inline.record().values()}
    assert ends == {Status.FINISHED, Status.STOPPED, Status.DIVERGED, Status.FAILED}
    assert inline.comparable() == by_ray.comparable()
    assert inline.table == by_ray.table
    assert "still\n" in inline.log.read_text()
    assert "still\n" not in by_ray.log.read_text()
    by_ray.log, inline.log = by_ray.runs / "tiny/logs", inline.runs / "tiny/logs"
    names = {f"{'-s'.join(key)}.log" for key in inline.record()}
    for folder in (by_ray.log, inline.log):
        assert {path.name for path in folder.iterdir()} == names
        texts = [path.read_text() for path in folder.iterdir()]
        broken = [text for text in texts if "still\n" in text]
        assert len(broken) == 1
        assert all("RuntimeError: no more data" in text for text in broken)


def test_interrupted_killed_and_continued(studies: tuple[Study, Study]) -> None:
    whole, study = map(held_in_an_evaluation, studies)
    whole.run(*INLINE)
    for number, code in ((signal.SIGTERM, 130), (signal.SIGKILL, -signal.SIGKILL)):
        (study.folder / "hold").touch()
        study.start(*INLINE)
        study.wait_for((study.folder / "held").exists)
        (study.folder / "held").unlink()
        study.send(number)
        assert study.wait() == code, study.log.read_text()
        if code == 130:
            assert "The same command continues" in study.log.read_text()
            check_interrupted(study)
    study.run(*INLINE)
    assert study.table == whole.table
    assert study.comparable() == whole.comparable()


def test_ray_is_not_imported_and_prints_are_seen(studies: tuple[Study, Study]) -> None:
    study, _ = studies
    (study.folder / "loud.py").write_text(
        "def spread(view, generator):\n"
        "    print('spread is computed')\n"
        "    return view.prior.sample(10, generator).std()\n"
    )
    text = STUDY.replace("{name: hist_kl_paper}", "{name: 'loud:spread', goal: minimize}")
    text = text.partition("  ip:")[0].replace("report: [1, 2]", "report: [1]")
    study.file.write_text(text.replace("[0.1, 0.2, 0.5]", "[0.1]"))
    code = (
        "import sys; from introsearch.cli import main;"
        "code = main(['run', 'tiny.yaml', '--cluster', 'inline']);"
        "sys.exit('ray' in sys.modules or code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=study.folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "spread is computed" in done.stdout
