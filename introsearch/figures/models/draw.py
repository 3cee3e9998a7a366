"""The figure that belongs to each kind of what trainers hand out for drawing."""

from __future__ import annotations

from introsearch.figures.models.images import draw_images
from introsearch.figures.models.points import draw_trial
from introsearch.figures.models.shallow import draw_collapse
from introsearch.training.figure_data import CollapseFigure, Figure, ImageFigure


def draw_figure(figure: Figure, *, title: str) -> bytes:
    """A PNG image of a trained model.

    Args:
        figure: what its trainer hands out.
        title: one line above the panels; wrapped if long.
    """
    if isinstance(figure, CollapseFigure):
        return draw_collapse(figure, title=title)
    if isinstance(figure, ImageFigure):
        return draw_images(figure, title=title)
    return draw_trial(figure, title=title)
