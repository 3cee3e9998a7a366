"""`introsearch collapse predict`: which latent modes of a linear model will collapse on data."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any, NamedTuple

from introsearch.errors import ConfigError, nearest_hint

TOY_SAMPLES = 10_000
QUADRANT, LABEL = "quadrant", "label"
_GRIDS = ("beta", "eta_dec", "eta_enc", "beta1", "beta2", "sigma1", "sigma2")
_HELP = {
    "beta": "weights of the KL, of a vae or cvae (default: 1)",
    "eta_dec": "standard deviations of the decoder, in units of the data (default: 1)",
    "eta_enc": "standard deviations of the prior (default: 1)",
    "beta1": "weights of the first KL of an hvae (default: 1)",
    "beta2": "weights of its second KL (default: 1)",
    "sigma1": "fixed standard deviations of q(z1|x) of an hvae (default: learnt)",
    "sigma2": "fixed standard deviations of q(z2|z1) of an hvae (default: learnt)",
}


class Matrices(NamedTuple):
    """`data`, and the `condition` that a cvae is given; a row per sample."""

    data: Any
    condition: Any = None


def add_collapse(commands: Any) -> None:
    """Add the command to a parser's."""
    collapse = commands.add_parser(
        "collapse",
        help="predict posterior collapse from data alone",
        description="Posterior collapse of linear VAEs, known before any training.",
    )
    actions = collapse.add_subparsers(required=True, metavar="ACTION")
    predict = actions.add_parser(
        "predict",
        help="active modes and KL for every combination of the settings given",
        description="Say which latent modes collapse, for every combination of the settings "
        "given, from the spectrum of the data alone: nothing is trained.",
    )
    predict.add_argument(
        "--data", required=True, metavar="NAME|FILE", help="a data set, or a .npy file [N, ...]"
    )
    predict.add_argument("--model", default="vae", help="vae, cvae or hvae (default: vae)")
    predict.add_argument(
        "--condition",
        metavar="FILE|quadrant|label",
        help="of a cvae: a .npy file with a row per sample; or of images the bottom left quadrant, "
        "the rest being the data (default for images), or the label, a dimension each",
    )
    predict.add_argument("--label", type=int, help="only images with this label")
    predict.add_argument("--latents", type=int, default=16, help="of each latent (default: 16)")
    predict.add_argument(
        "--latents-z2", type=int, metavar="N",
        help="fewer, of z2 of an hvae with --sigma1 and without --sigma2",
    )  # fmt: skip
    for name in _GRIDS:
        option = f"--{name.replace('_', '-')}"
        predict.add_argument(option, type=float, nargs="+", metavar="X", help=_HELP[name])
    predict.add_argument(
        "--sigma", type=float, nargs="+", metavar="X",
        help="of a vae or cvae: fixed posterior standard deviations, one for all latent "
        "dimensions or one for each (default: learnt)",
    )  # fmt: skip
    predict.add_argument("--figure", type=Path, metavar="PNG", help="draw it there")
    predict.add_argument("--json", action="store_true", help="print everything as JSON")
    predict.add_argument("--data-dir", type=Path, help="folder of data sets (default: data)")
    predict.add_argument("--download", action="store_true", help="download missing data sets")
    predict.set_defaults(command=_predict)


def _predict(options: argparse.Namespace) -> int:
    if options.figure is not None and not options.figure.absolute().parent.is_dir():
        raise ConfigError(f"there is no folder {options.figure.absolute().parent}", key="figure")
    from introsearch.theory.predict import MODELS, predict

    if options.model not in MODELS:
        hint = nearest_hint(options.model, MODELS)
        raise ConfigError(f"unknown model {options.model!r}", key="model", hint=hint)
    matrices = _read(options)
    given = {name: getattr(options, name) for name in _GRIDS}
    start = time.perf_counter()
    prediction = predict(
        *matrices[:1],
        model=options.model,
        condition=matrices.condition,
        latents=options.latents,
        latents_z2=options.latents_z2,
        sigma=options.sigma,
        **{name: value for name, value in given.items() if value is not None},
    )
    milliseconds = (time.perf_counter() - start) * 1e3
    title = f"{options.model} on {options.data}: predicted posterior collapse"
    if options.figure is not None:
        from introsearch.figures.prediction import draw_prediction
        from introsearch.files import write_atomically

        write_atomically(options.figure, draw_prediction(prediction, title=title))
    if options.json:
        print(json.dumps(_document(options, prediction), indent=2))
    else:
        print(_text(title, prediction, milliseconds=milliseconds))
    return 0


def _document(options: argparse.Namespace, prediction: Any) -> dict[str, Any]:
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


def _text(title: str, prediction: Any, *, milliseconds: float) -> str:
    spectrum, rows = prediction.spectrum, prediction.summary()
    head = " ".join(f"{value**2:.4g}" for value in spectrum.theta[:6])
    lines = [
        title,
        f"{spectrum.num_samples:,} samples, {len(spectrum.theta):,} dimensions"
        f"{' of the residual' if prediction.model == 'cvae' else ''}, {prediction.latents} latent "
        f"modes; {len(rows)} settings in {milliseconds:.0f} ms",
        f"largest eigenvalues: {head}; sum {spectrum.energy:.4g}",
        *(f"warning: {warning}" for warning in prediction.warnings),
        "",
        *_table(rows),
    ]
    return "\n".join(lines)


def _table(rows: list[dict[str, Any]]) -> list[str]:
    cells = [list(rows[0]), *([_cell(name, v) for name, v in row.items()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        for line in cells
    ]


def _cell(name: str, value: Any) -> str:
    if value is None:
        return "learnt" if name in ("sigma1", "sigma2") else "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _read(options: argparse.Namespace) -> Matrices:
    """The data matrix of the options, and the condition if the model wants one."""
    if options.data.endswith(".npy"):
        if options.label is not None:
            raise ConfigError("a .npy file has no labels", key="label")
        data = _load_npy(options.data, key="data")
        if options.condition in (QUADRANT, LABEL):
            raise ConfigError(
                f"only images of a data set have a {options.condition}",
                key="condition",
                hint="name a .npy file",
            )
        return Matrices(data, _condition_file(options.condition))
    from introsearch.data.catalog import IMAGE_SETS

    if options.data in IMAGE_SETS:
        return _images(options)
    return Matrices(_points(options, images=tuple(IMAGE_SETS)), _condition_file(options.condition))


def _points(options: argparse.Namespace, *, images: tuple[str, ...]) -> Any:
    from introsearch.extensions import resolve
    from introsearch.registry import DATASETS

    if options.data not in DATASETS and ":" not in options.data:
        legal = [*DATASETS, *images]
        hint = f"{nearest_hint(options.data, legal)}, or a file that ends in .npy"
        raise ConfigError(f"unknown data set {options.data!r}", key="data", hint=hint)
    if options.label is not None:
        raise ConfigError(f"{options.data} has no labels", key="label")
    import torch

    data = resolve("dataset", options.data)()
    return data.sample(TOY_SAMPLES, torch.Generator().manual_seed(0)).numpy()


def _images(options: argparse.Namespace) -> Matrices:
    """Train images in [0, 1]; of a cvae, three quadrants given the bottom left one."""
    from introsearch.data.folder import data_folder, set_data_folder
    from introsearch.data.image_files import download_images, read_images

    if options.data_dir is not None:
        set_data_folder(options.data_dir)
    if options.download:
        download_images(options.data, data_folder())
    images, labels = read_images(options.data, data_folder()).train
    if options.label is not None:
        images = images[labels == options.label]
        if not len(images):
            raise ConfigError(
                f"no image of {options.data} has the label {options.label}",
                key="label",
                hint=f"0 to {int(labels.max())}",
            )
    if options.condition == LABEL:
        return Matrices(images / 255.0, _one_hot(labels, chosen=options.label))
    if options.condition not in (None, QUADRANT):
        return Matrices(images / 255.0, _condition_file(options.condition))
    if options.model != "cvae" and options.condition is None:
        return Matrices(images / 255.0)
    from introsearch.data.quadrants import split_quadrants

    rest, quadrant = split_quadrants(images / 255.0)
    return Matrices(rest, quadrant)


def _one_hot(labels: Any, *, chosen: int | None) -> Any:
    """[N, classes] which label each image has."""
    import numpy as np

    if chosen is not None:
        raise ConfigError(
            "the label tells nothing where all images have one",
            key="condition",
            hint="leave out --label, or use --condition quadrant",
        )
    return np.eye(int(labels.max()) + 1)[labels]


def _condition_file(path: str | None) -> Any:
    return None if path is None else _load_npy(path, key="condition")


def _load_npy(path: str, *, key: str) -> Any:
    import numpy as np

    try:
        return np.load(path, allow_pickle=False)
    except FileNotFoundError as error:
        raise ConfigError(f"there is no file {path}", key=key) from error
    except (OSError, ValueError, EOFError) as error:
        raise ConfigError(
            f"{path} is no array of numbers: {error}", key=key, hint="write it with numpy.save"
        ) from error
