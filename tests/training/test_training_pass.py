"""Number formats and compiled networks: what may differ, and what must not."""

import copy
import os
import subprocess
import sys

import pytest
import torch
from torch._dynamo.utils import counters
from torch._inductor.runtime.runtime_utils import default_cache_dir

from introsearch.errors import ConfigError
from introsearch.extensions import resolve
from introsearch.nets.number_format import tf32_products
from introsearch.priors.log_density import mixture_log_prob
from introsearch.settings.base import resolve_settings, settings_to_dict
from introsearch.study.identity import identity
from introsearch.training import compilation
from introsearch.training.compilation import check_compiler, is_wanted
from introsearch.training.training_pass import BFloat16Pass, as_constant

SMALL = {"dataset": "rings", "iterations": 40, "batch_size": 64, "hidden_units": 32}
SMALL |= {"num_draws": 5, "warmup_iterations": 20, "handover_iterations": 5, "components": 6}
SMALL |= {"prior": "mog", "intro_prior": True, "beta_rec": 0.2, "beta_kl": 0.3}
IMAGES = {"dataset": "digits", "train_images": 100, "iterations": 20, "batch_size": 16}
IMAGES |= {"warmup_iterations": 10, "handover_iterations": 0, "latent_dim": 3, "channels": [4, 8]}


def make(base=SMALL, **changes):
    settings = resolve_settings("sintrovae", {**base, **changes})
    return resolve("trainer", "sintrovae")(settings, seed=0)


def weights(trainer):
    nets = (trainer.encoder, trainer.decoder, trainer.prior)
    return [p.detach().clone() for net in nets for p in net.parameters()]


def distance(a, b):
    return max((x - y).abs().max() for x, y in zip(weights(a), weights(b), strict=True))


@pytest.mark.parametrize("base", [SMALL, IMAGES])
def test_bfloat16_rounds_the_networks_and_nothing_else(base):
    trainer, plain = make(base, precision="bf16"), make(base)
    assert isinstance(trainer.encode, BFloat16Pass)
    x = trainer._next_batch()
    q, exact = trainer.encode(x), plain.encode(x)
    assert not torch.equal(q.mu, exact.mu)
    torch.testing.assert_close(q.mu, exact.mu, rtol=0.1, atol=0.1)
    decoded = trainer.decode(q.mu)
    assert {t.dtype for t in (*q, decoded, trainer._kl(q))} == {torch.float32}
    losses, expected = trainer.advance(20), plain.advance(20)
    assert losses["rec"] == pytest.approx(expected["rec"], rel=0.05)
    assert losses["rec"] != expected["rec"]
    assert {p.dtype for p in weights(trainer)} == {torch.float32}


def test_metrics_are_computed_in_float32():
    trainer, plain = make(precision="bf16"), make()
    trainer.advance(25)
    plain.load_state_dict(copy.deepcopy(trainer.state_dict()))
    names = ["hist_kl", "active_units"]
    assert trainer.evaluate(names) == plain.evaluate(names)


@pytest.mark.parametrize("precision", ["float32", "tf32", "bf16"])
def test_tensorfloat_is_allowed_in_training_steps_alone(monkeypatch, precision):
    """Not in a mixture's density or in a metric, and for nobody else in the process."""
    seen = {}

    def note(name):
        seen[name] = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32

    trainer = make(precision=precision)
    exp = "introsearch.priors.log_density._exp"
    monkeypatch.setattr(exp, lambda x: note("density") or x.clamp_min_(-50).exp_())
    note("before")
    before = seen.pop("before")
    for what, run in (
        ("step", lambda: trainer.advance(22)),
        ("metric", lambda: trainer.evaluate(["hist_kl"])),
        ("figure", trainer.figures),
    ):
        hook = trainer.decoder.register_forward_hook(lambda *_, what=what: note(what))
        run()
        hook.remove()
    rounds, exact = precision == "tf32", (False, False)
    assert seen == {"density": exact, "step": (rounds, rounds), "metric": exact, "figure": exact}
    note("after")
    assert seen["after"] == before


def test_tf32_is_given_back_after_an_error():
    before = torch.backends.cuda.matmul.allow_tf32
    with pytest.raises(ZeroDivisionError), tf32_products(allowed=not before):
        _ = 1 / 0
    assert torch.backends.cuda.matmul.allow_tf32 == before


def test_the_density_stays_usable_under_vmap():
    z, coefficients = torch.randn(3, 5, 2), torch.randn(5, 4)
    got = torch.func.vmap(lambda one: mixture_log_prob(one, coefficients))(z)
    torch.testing.assert_close(got[1], mixture_log_prob(z[1], coefficients))


def test_a_constant_network_passes_gradients_on():
    net, x = torch.nn.Linear(2, 2), torch.ones(1, 2, requires_grad=True)
    net.bias.requires_grad_(False)
    with as_constant(net):
        net(x).sum().backward()
    assert net.weight.grad is None
    assert x.grad is not None
    assert [p.requires_grad for p in net.parameters()] == [True, False]


def test_settings_are_part_of_the_identity_where_they_change_results():
    def name(**changes):
        return identity("vae", settings_to_dict(resolve_settings("vae", changes)))

    asked = [{"precision": "tf32"}, {"precision": "bf16"}, {"compile": True}, {"compile": "auto"}]
    assert len({name(), *(name(**changes) for changes in asked)}) == 5
    assert name() == name(precision="float32", compile=False)
    settings = resolve_settings("vae", {"precision": "bf16", "compile": True})
    assert resolve_settings("vae", settings_to_dict(settings)) == settings


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"precision": "bf61"}, "did you mean 'bf16'?"),
        ({"precision": True}, "unknown precision True"),
        ({"compile": "atuo"}, "did you mean 'auto'? Legal: auto, false, true"),
        ({"compile": 1}, "Legal: auto, false, true"),
    ],
)
def test_bad_values_are_refused(parameters, words):
    with pytest.raises(ConfigError, match=r"precision|compile") as caught:
        resolve_settings("vae", parameters)
    assert words in str(caught.value)


def test_auto_compiles_on_gpus_that_can_and_never_complains():
    assert not is_wanted("auto", torch.device("cpu"))
    works = torch.cuda.is_available() and not compilation.compiler_fault("cuda")
    assert is_wanted("auto", torch.device("cuda")) == works


def test_what_cannot_be_compiled_is_one_clear_error(monkeypatch):
    monkeypatch.setattr(compilation, "compiler_fault", lambda device: "no compiler")
    with pytest.raises(ConfigError, match="does not work here: no compiler") as caught:
        make(compile=True)
    assert caught.value.key == "compile"


@pytest.mark.slow
def test_without_a_compiler_the_reason_is_known(tmp_path):
    code = "from introsearch.training.compilation import compiler_fault as f; print(f('cpu'))"
    environment = {**os.environ, "CXX": "no-such-compiler", "INTROSEARCH_CACHE": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert "no-such-compiler" in done.stdout
    assert done.stdout.count("\n") == 1


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the compiler, which hides them from users itself
@pytest.mark.parametrize("left_by_torch", [True, False])
def test_what_was_compiled_is_found_in_the_cache_folder(tmp_path, monkeypatch, left_by_torch):
    """After training without compiling in the same process, too."""
    monkeypatch.setenv("INTROSEARCH_CACHE", str(tmp_path / "ours"))
    own = default_cache_dir() if left_by_torch else str(tmp_path / "own")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", own)
    net = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Sigmoid())
    for hits in (0, 1):
        counters.clear()
        with torch.no_grad():
            compilation.compiled(net)(torch.zeros(1, 2))
        assert counters["aot_autograd"]["autograd_cache_hit"] == hits
    assert [p.name for p in tmp_path.iterdir()] == ["ours" if left_by_torch else "own"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the compiler, which hides them from users itself
@pytest.mark.parametrize("base", [SMALL, IMAGES | {"channels": [4]}])
def test_compiled_networks_train_the_same(base):
    """Within rounding; and a restored run is the uninterrupted one bit for bit."""
    check_compiler()
    plain, straight, first = make(base), make(base, compile=True), make(base, compile=True)
    end, at = base["iterations"], base["iterations"] * 5 // 8
    plain.advance(at)
    straight.advance(at)
    assert distance(plain, straight) < 1e-4
    first.advance(at)
    state = copy.deepcopy(first.state_dict())
    first.evaluate(["active_units"])
    expected = straight.advance(end - at)
    second = make(base, compile=True)
    second.load_state_dict(state)
    assert second.advance(end - at) == expected
    assert distance(second, straight) == 0
