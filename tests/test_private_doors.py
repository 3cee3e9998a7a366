"""Parts of other libraries that nobody promises to keep: each is tried as it is used.

A test that fails after an upgrade names the door that has closed. Then look for a public way first,
mend the place that the test names, and note there the version that was seen. What the versions are
that all of it works with, `constraints.txt` says.
"""

from __future__ import annotations

import ast
import importlib.util
import inspect
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

FAULTS = (
    AssertionError,
    AttributeError,
    ImportError,
    KeyError,
    RuntimeError,
    TypeError,
    ValueError,
)


@contextmanager
def door(name: str, place: str) -> Iterator[None]:
    """What fails in here says which door it is about."""
    try:
        yield
    except (*FAULTS, pytest.fail.Exception) as error:
        pytest.fail(f"{name} is not any more what introsearch/{place} was written for: {error!r}")


def package(name: str) -> Path:
    """The folder of a package, without importing it."""
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def parameters(function: Any) -> list[str]:
    return list(inspect.signature(function).parameters)


# Ray


def test_ray_prints_messages_of_its_processes_by_a_function_that_can_be_replaced():
    with door("ray._private.worker.print_to_stdstream", "execution/ray/machines.py"):
        from ray._private import worker

        assert parameters(worker.print_to_stdstream) == ["data", "ignore_prefix"]
        # It is looked up when there is something to print, not before.
        assert "print_to_stdstream" in worker.listen_error_messages.__code__.co_names


def test_ray_keeps_the_processes_that_it_has_started_here():
    with door("ray._private.worker._global_node", "execution/ray/start.py"):
        from ray._private import worker

        assert "global _global_node" in inspect.getsource(inspect.unwrap(worker.init))
        assert hasattr(worker, "_global_node")


def test_ray_tells_which_of_its_processes_have_died():
    with door("ray._private.node.Node.dead_processes", "execution/ray/start.py"):
        from ray._private import node, ray_constants

        names = {ray_constants.PROCESS_TYPE_GCS_SERVER, ray_constants.PROCESS_TYPE_RAYLET}
        assert names == {"gcs_server", "raylet"}
        commands = [[sys.executable, "-c", code] for code in ("", "input()")]
        ended, running = (subprocess.Popen(c, stdin=subprocess.PIPE) for c in commands)
        ended.communicate()
        started = node.Node.__new__(node.Node)  # without a Ray
        started.all_processes = {
            "gcs_server": [SimpleNamespace(process=ended)],
            "raylet": [SimpleNamespace(process=running)],
        }
        try:
            assert [name for name, _ in started.dead_processes()] == ["gcs_server"]
        finally:
            running.communicate(b"\n")


def test_ray_kills_what_is_left_of_its_processes():
    with door("ray._private.node.Node.kill_all_processes", "execution/ray/start.py"):
        from ray._private.node import Node

        assert "check_alive" in parameters(Node.kill_all_processes)


@pytest.mark.parametrize(
    ("status", "allowed", "told"),
    [("RUNNING", 0, [1]), ("RUNNING", 1, []), ("PENDING", 2, [1])],
)
def test_ray_tune_counts_a_failure_before_it_tells_of_it(tmp_path, status, allowed, told):
    """A trial that was not running is given up although it may fail again: it is lost."""
    with door("ray.tune.experiment.Trial.num_failures", "execution/ray/runner.py"):
        from ray.tune.execution.tune_controller import TuneController
        from ray.tune.experiment import Trial

        storage = SimpleNamespace(trial_driver_staging_path=str(tmp_path))
        trial = Trial("none", stub=True, max_failures=allowed, storage=storage)
        trial.status = status
        numbers: list[int] = []

        def on_trial_error(_: Any, failed: Trial) -> None:
            numbers.append(failed.num_failures)
            assert failed.max_failures == allowed
            assert "broken" in Path(failed.error_file).read_text()

        nothing = SimpleNamespace(
            on_trial_complete=lambda *_, **__: None,
            on_trial_error=lambda **_: None,
            on_trial_recover=lambda **_: None,
        )
        controller = SimpleNamespace(
            _scheduler_alg=SimpleNamespace(on_trial_error=on_trial_error),
            _search_alg=nothing,
            _callbacks=nothing,
            _iteration=0,
            _trials=[trial],
            _schedule_trial_stop=lambda *_, **__: None,
            _try_recover=lambda *_, **__: None,
        )
        TuneController._process_trial_failure(controller, trial, ValueError("broken"))
        assert numbers == told


def test_ray_tune_calls_the_hooks_that_are_filled_in():
    with door("hooks of Ray Tune", "execution/ray/runner.py"):
        from ray import tune
        from ray.tune.schedulers import FIFOScheduler, TrialScheduler
        from ray.tune.search import Searcher

        from introsearch.execution.ray import runner
        from introsearch.trial.trainable import TrialTrainable

        hooks = {
            (runner._Scheduler, FIFOScheduler): (
                "on_trial_result",
                "on_trial_complete",
                "on_trial_error",
            ),
            (runner._Source, Searcher): (
                "suggest",
                "on_trial_complete",
                "save",
                "restore",
                "save_to_dir",
            ),
            (runner._StartListener, tune.Callback): ("on_trial_start",),
            (runner._Abort, tune.Stopper): ("__call__", "stop_all"),
            (TrialTrainable, tune.Trainable): (
                "setup",
                "reset_config",
                "step",
                "save_checkpoint",
                "load_checkpoint",
            ),
        }
        for (ours, theirs), names in hooks.items():
            for name in names:
                assert parameters(getattr(ours, name)) == parameters(getattr(theirs, name)), name
        assert Searcher.FINISHED
        assert (TrialScheduler.CONTINUE, TrialScheduler.STOP) == ("CONTINUE", "STOP")


def test_ray_reads_the_variables_that_are_set_for_it():
    with door("environment variables of Ray", "execution/ray/environment.py"):
        from introsearch.execution.ray.environment import VARIABLES

        missing = {*VARIABLES, "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"}
        for part in ("_common", "_private", "tune"):
            for path in (package("ray") / part).rglob("*.py"):
                text = path.read_text(encoding="utf-8", errors="replace")
                missing = {name for name in missing if f'"{name}"' not in text}
        assert not missing


def test_ray_is_started_on_a_node_by_a_module_that_says_when_it_is_up():
    with door("ray.scripts.scripts", "execution/slurm/job/node.py"):
        from ray.scripts import scripts

        from introsearch.execution.slurm.job.ray_nodes import STARTED

        text = inspect.getsource(scripts)
        assert f'"{STARTED}' in text
        assert 'if __name__ == "__main__"' in text
        options = {name for option in scripts.start.params for name in option.opts}
        assert options >= {
            "--address", "--block", "--dashboard-agent-listen-port", "--disable-usage-stats",
            "--head", "--include-dashboard", "--log-color", "--log-style", "--max-worker-port",
            "--min-worker-port", "--node-ip-address", "--node-name", "--num-cpus", "--num-gpus",
            "--object-store-memory", "--port", "--ray-client-server-port", "--temp-dir",
        }  # fmt: skip


# MLflow


@pytest.fixture
def run_id(client: Any) -> str:
    """A run with a tag, and a metric that was taken twice; another was NaN."""
    experiment_id = client.create_experiment("doors", artifact_location="file:///nowhere")
    run = client.create_run(experiment_id, start_time=5, tags={"a": "b"})
    for step, (time_ms, value) in enumerate([(10, 1.0), (20, 0.5)]):
        client.log_metric(run.info.run_id, "m", value, timestamp=time_ms, step=step)
    client.log_metric(run.info.run_id, "n", float("nan"), timestamp=30, step=0)
    client.set_terminated(run.info.run_id, end_time=40)
    return str(run.info.run_id)


def test_mlflow_has_the_tables_that_are_read(client, run_id):
    with door("mlflow.store.tracking.dbmodels.models", "record/runs.py"):
        from mlflow.entities import LifecycleStage
        from mlflow.store.tracking.dbmodels.models import SqlLatestMetric, SqlMetric, SqlRun, SqlTag
        from sqlalchemy import NullPool, create_engine, select

        queries = {
            "run": select(
                SqlRun.run_uuid,
                SqlRun.experiment_id,
                SqlRun.start_time,
                SqlRun.end_time,
                SqlRun.lifecycle_stage,
            ),
            "tag": select(SqlTag.run_uuid, SqlTag.value).where(SqlTag.key == "a"),
            "latest": select(
                SqlLatestMetric.key,
                SqlLatestMetric.value,
                SqlLatestMetric.timestamp,
                SqlLatestMetric.is_nan,
            ).order_by(SqlLatestMetric.key),
            "history": select(SqlMetric.step, SqlMetric.value)
            .where(SqlMetric.run_uuid == run_id, SqlMetric.key == "m", SqlMetric.is_nan.is_(False))
            .order_by(SqlMetric.step),
        }
        with create_engine(client.tracking_uri, poolclass=NullPool).connect() as database:
            found = {name: database.execute(query).all() for name, query in queries.items()}
        experiment_id = int(client.get_run(run_id).info.experiment_id)
        assert found == {
            "run": [(run_id, experiment_id, 5, 40, LifecycleStage.ACTIVE)],
            "tag": [(run_id, "b")],
            "latest": [("m", 0.5, 20, False), ("n", 0.0, 30, True)],
            "history": [(0, 1.0), (1, 0.5)],
        }


def test_mlflow_keeps_the_times_of_a_run_s_last_metrics(client, run_id):
    with door("mlflow.entities.RunData._metric_objs", "record/runs.py"):
        points = client.get_run(run_id).data._metric_objs
        assert {(p.key, p.value, p.timestamp) for p in points if p.key == "m"} == {("m", 0.5, 20)}


def test_mlflow_s_pages_show_views_that_are_kept_as_tags():
    with door("mlflow.sharedViewState", "record/views.py"):
        from introsearch.record.views import TAG, _view

        pages = package("mlflow") / "server" / "js" / "build" / "static" / "js"
        missing = {f'"{TAG}"', "viewStateShareKey=", *json.loads(_view("", []))}
        for path in pages.glob("*.js"):
            text = path.read_text(encoding="utf-8", errors="replace")
            missing = {words for words in missing if words not in text}
        assert not missing


def test_mlflow_says_when_a_store_is_of_another_version(client):
    with door("MLflow's words on a database schema", "record/store.py"):
        from mlflow.exceptions import MlflowException
        from mlflow.tracking import MlflowClient
        from sqlalchemy import NullPool, create_engine, text

        engine = create_engine(client.tracking_uri, poolclass=NullPool)
        with engine.begin() as database:
            database.execute(text("UPDATE alembic_version SET version_num = '0'"))
        # An address of its own, else the client's engine, which was checked already, is used.
        with pytest.raises(MlflowException, match="database schema"):
            MlflowClient(f"{client.tracking_uri}?timeout=20").search_experiments(max_results=1)


# torch and torchvision


def test_torch_serves_two_backward_passes_where_buffers_are_not_donated():
    with door("torch._functorch.config.donated_buffer", "training/compilation.py"):
        import torch
        from torch._functorch import config

        def step_twice() -> None:
            torch.compiler.reset()
            layers = (torch.nn.Linear(2, 2), torch.nn.Sigmoid()) * 2  # what is between is donated
            net = torch.nn.Sequential(*layers)
            compiled = torch.compile(net, backend="aot_eager")  # which needs no compiler of C++
            compiled(torch.ones(2, 2)).sum().backward()
            loss = compiled(torch.ones(2, 2)).sum()
            loss.backward(retain_graph=True)
            loss.backward()

        with config.patch(donated_buffer=False):
            step_twice()
        with (
            config.patch(donated_buffer=True),
            pytest.raises(RuntimeError, match=r"_functorch\.config\.donated_buffer=False"),
        ):
            step_twice()
        torch.compiler.reset()


def test_torch_writes_its_default_folder_of_programs_into_the_environment(monkeypatch):
    with door("torch._inductor.runtime.runtime_utils", "training/compilation.py"):
        from torch._inductor.runtime.runtime_utils import cache_dir, default_cache_dir

        from introsearch.training.compilation import CACHE_VARIABLE

        monkeypatch.delenv(CACHE_VARIABLE, raising=False)
        assert cache_dir() == default_cache_dir() == os.environ[CACHE_VARIABLE]


def test_torchvision_needs_no_other_operators_to_be_imported():
    with door("torchvision._meta_registrations", "data/compat.py"):
        from introsearch.data.compat import OPERATORS

        module = ast.parse((package("torchvision") / "_meta_registrations.py").read_text())
        wanted = {}
        for function in (node for node in module.body if isinstance(node, ast.FunctionDef)):
            for decorator in map(ast.unparse, function.decorator_list):
                if decorator.startswith("torch.library.register_fake("):
                    name = ast.literal_eval(decorator.partition("(")[2].rstrip(")"))
                    wanted[name] = [argument.arg for argument in function.args.args]
        given = {
            f"torchvision::{name}": [
                words.split()[-1] for words in schema.partition("(")[2].partition(")")[0].split(",")
            ]
            for name, schema in OPERATORS.items()
        }
        assert given == wanted


def test_torch_lets_operators_of_another_library_be_declared():
    with door("torch.library.Library(..., 'FRAGMENT')", "data/compat.py"):
        import torch

        from introsearch.data.compat import OPERATORS

        library = torch.library.Library("introsearch_doors", "FRAGMENT")
        for schema in OPERATORS.values():
            library.define(schema)
        assert all(hasattr(torch.ops.introsearch_doors, name) for name in OPERATORS)


# torch-fidelity


@pytest.fixture
def fidelity() -> None:
    from introsearch.data.compat import import_torchvision

    import_torchvision()


@pytest.mark.usefixtures("fidelity")
def test_torch_fidelity_measures_the_distance_between_features():
    with door("torch_fidelity.metric_fid", "metrics/generation.py"):
        import torch
        from torch_fidelity.metric_fid import (
            KEY_METRIC_FID,
            fid_features_to_statistics,
            fid_statistics_to_metric,
        )

        noise = torch.randn(50, 3, generator=torch.Generator().manual_seed(0)).double()
        here, there = fid_features_to_statistics(noise), fid_features_to_statistics(noise + 2)
        assert here["mu"] == pytest.approx(noise.mean(0).numpy())
        assert here["sigma"] == pytest.approx(noise.T.cov().numpy())
        distance = fid_statistics_to_metric(here, there, verbose=False)[KEY_METRIC_FID]
        assert distance == pytest.approx(3 * 2**2)


@pytest.mark.usefixtures("fidelity")
def test_torch_fidelity_measures_the_kernel_distance_between_features():
    with door("torch_fidelity.metric_kid", "metrics/generation.py"):
        import torch
        from torch_fidelity.metric_kid import KEY_METRIC_KID_MEAN, kid_features_to_metric

        noise = torch.randn(60, 3, generator=torch.Generator().manual_seed(0))
        options: dict[str, Any] = {"kid_subsets": 3, "kid_subset_size": 20, "rng_seed": 0}
        near, far = (
            kid_features_to_metric(noise, noise + shift, **options, verbose=False)
            for shift in (0, 2)
        )
        assert abs(near[KEY_METRIC_KID_MEAN]) < 1 < far[KEY_METRIC_KID_MEAN]


@pytest.mark.usefixtures("fidelity")
def test_torch_fidelity_measures_precision_and_recall_of_features():
    with door("torch_fidelity.metric_prc", "metrics/generation.py"):
        import torch
        from torch_fidelity.metric_prc import (
            KEY_METRIC_PRECISION,
            KEY_METRIC_RECALL,
            prc_features_to_metric,
        )

        real = torch.randn(60, 3, generator=torch.Generator().manual_seed(0))
        fake = real[:1].expand(60, 3) + 1e-3 * real  # all alike, within the real ones
        found = prc_features_to_metric(
            fake, real, prc_neighborhood=3, prc_batch_size=100, save_cpu_ram=True, verbose=False
        )
        assert found[KEY_METRIC_PRECISION] == 1
        assert found[KEY_METRIC_RECALL] < 0.1


@pytest.mark.usefixtures("fidelity")
def test_torch_fidelity_has_the_inception_whose_weights_are_kept():
    with door("torch_fidelity.feature_extractor_inceptionv3", "metrics/features.py"):
        from torch_fidelity.feature_extractor_inceptionv3 import (
            URL_INCEPTION_V3,
            FeatureExtractorInceptionV3,
        )

        from introsearch.metrics.features import INCEPTION_FILE, INCEPTION_LAYER

        assert URL_INCEPTION_V3.endswith(f"/{INCEPTION_FILE}")
        names = parameters(FeatureExtractorInceptionV3)
        assert names[:2] == ["name", "features_list"]
        assert "feature_extractor_weights_path" in names
        assert INCEPTION_LAYER in FeatureExtractorInceptionV3.get_provided_features_list()


# PyYAML


def test_yaml_reads_words_by_the_resolvers_of_the_class_alone():
    with door("yaml.SafeLoader.yaml_implicit_resolvers", "study/file/document.py"):
        import re

        import yaml

        class Loader(yaml.SafeLoader):
            yaml_implicit_resolvers: dict[Any, Any] = {}  # noqa: RUF012 - as PyYAML has it

        def tags() -> list[str]:
            node = yaml.compose("[no, 1, 2001-01-01]", Loader=Loader)
            return [item.tag.rpartition(":")[2] for item in node.value]

        assert tags() == ["str", "str", "str"]
        Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile("[0-9]+$"), None)
        assert tags() == ["str", "int", "str"]
        assert yaml.safe_load("no") is False  # others keep theirs
