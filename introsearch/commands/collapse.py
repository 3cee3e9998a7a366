"""`introsearch collapse predict`: which latent modes of a linear model will collapse on data."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from introsearch.commands.arguments import COLLAPSE_SETTINGS
from introsearch.commands.options import EXIT_DONE
from introsearch.data.folder import set_data_folder
from introsearch.data.matrices import Matrices, read_matrices
from introsearch.errors import ConfigError, nearest_hint
from introsearch.files import write_atomically
from introsearch.theory.predict import MODELS, Prediction, predict
from introsearch.wording import aligned


def run(options: argparse.Namespace) -> int:
    """Print, and draw if wanted, what is predicted for every combination of the settings."""
    figure: Path | None = options.figure
    if figure is not None and not figure.absolute().parent.is_dir():
        raise ConfigError(f"there is no folder {figure.absolute().parent}", key="figure")
    if options.model not in MODELS:
        hint = nearest_hint(options.model, MODELS)
        raise ConfigError(f"unknown model {options.model!r}", key="model", hint=hint)
    matrices = _read(options)
    start = time.perf_counter()
    prediction = _predict(options, matrices)
    milliseconds = (time.perf_counter() - start) * 1e3
    title = f"{options.model} on {options.data}: predicted posterior collapse"
    if figure is not None:
        # Late: it takes matplotlib along, and most predictions are only printed.
        from introsearch.figures.prediction import draw_prediction

        write_atomically(figure, draw_prediction(prediction, title=title))
    if options.json:
        print(json.dumps(_document(options, prediction), indent=2))
    else:
        print(_text(title, prediction, milliseconds=milliseconds))
    return EXIT_DONE


def _read(options: argparse.Namespace) -> Matrices:
    if options.data_dir is not None:
        set_data_folder(options.data_dir)
    return read_matrices(
        options.data,
        condition=options.condition,
        label=options.label,
        is_conditional=options.model == "cvae",
        download=options.download,
    )


def _predict(options: argparse.Namespace, matrices: Matrices) -> Prediction:
    given = {name: getattr(options, name) for name in COLLAPSE_SETTINGS}
    return predict(
        matrices.data,
        model=options.model,
        condition=matrices.condition,
        latents=options.latents,
        latents_z2=options.latents_z2,
        sigma=options.sigma,
        **{name: value for name, value in given.items() if value is not None},
    )


def _document(options: argparse.Namespace, prediction: Prediction) -> dict[str, Any]:
    return {
        "data": options.data,
        "model": prediction.model,
        "latents": prediction.latents,
        "num_samples": prediction.spectrum.num_samples,
        "spectrum": prediction.spectrum.theta.tolist(),
        "warnings": list(prediction.warnings),
        "settings": prediction.summary(),
        "modes": prediction.rows(),
    }


def _text(title: str, prediction: Prediction, *, milliseconds: float) -> str:
    spectrum, rows = prediction.spectrum, prediction.summary()
    cells = [[_cell(name, value) for name, value in row.items()] for row in rows]
    head = " ".join(f"{value**2:.4g}" for value in spectrum.theta[:6])
    lines = [
        title,
        f"{spectrum.num_samples:,} samples, {len(spectrum.theta):,} dimensions"
        f"{' of the residual' if prediction.model == 'cvae' else ''}, {prediction.latents} latent "
        f"modes; {len(rows)} settings in {milliseconds:.0f} ms",
        f"largest eigenvalues: {head}; sum {spectrum.energy:.4g}",
        *(f"warning: {warning}" for warning in prediction.warnings),
        "",
        *aligned([list(rows[0]), *cells], num_left=0),
    ]
    return "\n".join(lines)


def _cell(name: str, value: Any) -> str:
    if value is None:
        return "learnt" if name in ("sigma1", "sigma2") else "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
