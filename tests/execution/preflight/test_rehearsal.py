"""Every kind of trial is tried, and all that is wrong with any is said at once."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from introsearch.cli import main
from introsearch.commands.options import EXIT_BAD_INPUT, EXIT_DONE
from introsearch.data.base import CPU, DataContext
from introsearch.data.images import ImageFolder
from introsearch.execution.preflight import rehearsal
from introsearch.extensions import metrics_for
from introsearch.sample_sizes import few_samples
from introsearch.statuses import Status
from introsearch.study.file.loader import load_study
from introsearch.study.search.expand import expand
from introsearch.trial.evaluation import Evaluation

STUDY = """\
name: tried
trainer: sintrovae
metric: {name: METRIC, goal: minimize}
groups: [dataset, variant]
seeds: {select: [0], report: [1]}
parameters:
  dataset: {values: [DATA]}
  batch_size: 8
variants:
  sg: {prior: gaussian}
"""
OWN = """\
import torch
from introsearch.data.toy import Rings

def crooked(view, generator):
    return [1, 2]

class Broken(Rings):
    def sample(self, n, generator):
        return [][0]

class Hungry(Rings):
    def sample(self, n, generator):
        return torch.empty(1 << 50)

class Leaving(Rings):
    def sample(self, n, generator):
        raise SystemExit("bye")
"""
SHIPPED = Path(__file__).parents[3] / "search_spaces"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INTROSEARCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("INTROSEARCH_DATA", str(tmp_path / "data"))
    return tmp_path


def write(text: str, *, metric: str = "hist_kl_paper", data: str = "rings") -> None:
    Path("tried.yaml").write_text(text.replace("METRIC", metric).replace("DATA", data))


def test_a_sound_study(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    threads = torch.get_num_threads()
    write(
        STUDY + "  ip: {prior: mog, components: 300, intro_prior: true}\n", data="rings, 2spirals"
    )
    assert main(["check", "tried.yaml"]) == EXIT_DONE
    output = capsys.readouterr().out.splitlines()
    assert output[:4] == [
        "trying 1 of 4: rings / sg",
        "trying 2 of 4: rings / ip",
        "trying 3 of 4: 2spirals / sg",
        "trying 4 of 4: 2spirals / ip",
    ]
    assert output[4].startswith("tried: all works (")
    assert os.listdir(folder) == ["tried.yaml"]  # nothing is left, in the cache neither
    assert torch.get_num_threads() == threads
    assert os.environ["INTROSEARCH_CACHE"] == str(folder / "cache")


def test_all_that_is_wrong_is_said_at_once(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "tried_own.py").write_text(OWN)
    data = ["rings", *(f"'tried_own:{name}'" for name in ("Broken", "Hungry", "Leaving"))]
    write(STUDY, metric="tried_own:crooked", data=", ".join(data))
    with Path("tried.yaml").open("a") as file:
        file.write(
            "  images: {dataset: mnist, train_images: 10}\n"
            "  hot: {dataset: rings, learning_rate: 1.0e+30}\n"
            "resources: {cpus: 1000}\n"
        )
    assert main(["check", "tried.yaml", "--cluster", "inline"]) == EXIT_BAD_INPUT
    faults = capsys.readouterr().err.removeprefix("error: ").split("\nerror: ")
    own = folder / "tried_own.py"
    assert len(faults) == 7
    for fault, start, end in zip(
        faults,
        (
            "resources.cpus: a trial wants 1000 CPUs",
            "mnist is not in the data folder",
            "tried.yaml:3: metric: tried_own:crooked gives a list",
            "diverges at once: loss term 'loss' is not finite at iteration 2",
            f"IndexError: list index out of range ({own}:9)",
            "out of memory (",
            f"SystemExit: bye ({own}:17)",
        ),
        (
            "--set resources.cpus=1",
            "or let mnist be downloaded with --download",
            "in: rings / sg",
            "in: rings / hot",
            "in: tried_own:Broken / sg",
            "in: tried_own:Hungry / sg",
            "in: tried_own:Leaving / sg",
        ),
        strict=True,
    ):
        assert fault.startswith(start), fault
        assert fault.rstrip().endswith(end), fault


def test_settings_are_found_in_the_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(STUDY + "  few: {train_images: 5000}\n", metric="fid_gen", data="digits")
    assert main(["check", "tried.yaml"]) == EXIT_BAD_INPUT
    assert "tried.yaml:11: variants.few.train_images: 5,000 train images are asked for" in (
        capsys.readouterr().err
    )


def test_images_that_are_sorted_by_class(folder: Path) -> None:
    """A few of the first ones would all be of one class."""
    rng = np.random.default_rng(0)
    for label in range(3):
        (folder / "data" / "mine" / str(label)).mkdir(parents=True)
        for number in range(30):
            pixels = rng.integers(0, 60 * (label + 1), (8, 8), dtype=np.uint8)
            path = folder / "data" / "mine" / str(label) / f"{number:02d}.png"
            Image.fromarray(pixels).save(path)
    data = "image_folder"
    text = STUDY.replace("batch_size: 8", "batch_size: 8\n  image_folder: mine\n  image_size: 8")
    text = text.replace("  batch", "  image_channels: 1\n  channels: [4]\n  iterations: 8\n  batch")
    text = text.replace("  batch", "  warmup_iterations: 2\n  num_samples: 20\n  batch")
    write(text.replace("  batch", "  handover_iterations: 0\n  batch"), metric="fid_gen", data=data)
    with few_samples(20):
        images = ImageFolder.open(
            DataContext(device=CPU, image_folder="mine", image_size=8, image_channels=1)
        )
        assert (len(images.train), len(images.test)) == (20, 18)
        assert images.train.labels.bincount().tolist() == [7, 6, 7]
    assert main(["check", "tried.yaml"]) == EXIT_DONE


def test_what_a_run_would_refuse(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(STUDY)
    assert main(["check", "tried.yaml", "--tracking-uri", "nonsense://x"]) == EXIT_BAD_INPUT
    assert "nonsense" in capsys.readouterr().err
    text = STUDY.replace("sintrovae", "latent_flow").replace("  batch_size: 8\n", "")
    text = text.replace("sg: {prior: gaussian}", "flow: {stage1_trial: 0123456789ab}")
    write(text, metric="hist_kl")
    assert main(["check", "tried.yaml"]) == EXIT_BAD_INPUT
    error = capsys.readouterr().err
    assert "variants.flow.stage1_trial: no study in " in error
    assert "0123456789ab-s0" in error


def test_every_phase_metric_figure_and_checkpoint(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last evaluation is of a trial that was made again from its first one's checkpoint."""
    write(STUDY + "  ip: {prior: mog, components: 4, intro_prior: true}\n")
    study = load_study("tried.yaml")
    seen: list[Evaluation] = []
    files: list[str] = []
    step = rehearsal.KeptTrial.step

    def watched(kept: rehearsal.KeptTrial) -> Evaluation:
        seen.append(step(kept))
        files[:] = sorted(p.suffix for p in Path(kept.order.folder).rglob("*.*") if p.is_file())
        return seen[-1]

    monkeypatch.setattr(rehearsal.KeptTrial, "step", watched)
    assert rehearsal.rehearse(study, overrides=(), notify=lambda text: None) == []
    for configuration in expand(study).configurations:
        of_one, seen[:3] = seen[:3], []
        assert [e.iteration for e in of_one] == [4, 4, 8]
        assert [e.status for e in of_one] == [Status.RUNNING, Status.RUNNING, Status.FINISHED]
        wanted = metrics_for(configuration.trainer, configuration.settings)
        assert set(wanted) <= set(of_one[-1].metrics)
    assert {".pt", ".png", ".log"} <= set(files)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["digits_quick", "evalp_digits", "proposition1", "collapse_cvae_images", "collapse_hvae",
     "evalp_toy", "2d_best"],
)  # fmt: skip
def test_shipped_studies(folder: Path, name: str) -> None:
    assert main(["check", str(SHIPPED / f"{name}.yaml")]) == EXIT_DONE
