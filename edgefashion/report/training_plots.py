"""Figures of a training: its losses, and what it confuses."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from edgefashion.recipes import published_losses
from edgefashion.records import TrainingReport
from edgefashion.report import format as fmt
from edgefashion.report.drawing import BLUE, GREY, INK, ORANGE, new_figure, shorten, spread, styled
from edgefashion.report.words import data_notes


@styled
def confusion_matrix(training: TrainingReport) -> Figure:
    """Test pictures by true class (rows) and predicted class (columns); shades are shares of the true class."""
    quality = training.test
    counts = np.array(quality.confusion)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = new_figure(6.6, 6.2, title=f"Confusion of {training.recipe.name}", notes=data_notes(training.data))
    axes = figure.add_subplot()
    axes.set_title(f"{fmt.count(quality.images)} pictures, accuracy {fmt.percent(quality.accuracy)}")
    # The square root makes a confusion of one in a hundred visible beside hits of ninety.
    axes.imshow(np.sqrt(shares), cmap="Blues", vmin=0, vmax=1.1)
    for (row, column), number in np.ndenumerate(counts):
        if number:
            colour = "white" if shares[row, column] > 0.35 else INK  # noqa: PLR2004 - where dark ink meets dark blue
            axes.text(column, row, fmt.count(number), ha="center", va="center", size=8, color=colour)
    names = [shorten(label) for label in training.data.labels]
    axes.set_xticks(range(len(names)), names, rotation=40, ha="right", rotation_mode="anchor", color=INK)
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure


@styled
def losses(training: TrainingReport) -> Figure:
    """Training and validation loss by epoch; the published final losses, where they belong, drawn as dashes."""
    published = published_losses(training)
    figure = new_figure(7.2, 4.2, title=f"Loss of {training.recipe.name}", notes=data_notes(training.data))
    axes = figure.add_subplot()
    epochs = [each.epoch for each in training.history]
    series = {
        "training": [each.train_loss for each in training.history],
        "validation": [each.validation_loss for each in training.history],
    }
    for (_, values), colour, marker in zip(series.items(), (BLUE, ORANGE), "os", strict=True):
        axes.plot(epochs, values, color=colour, marker=marker, markersize=4)
    axes.set_ylim(bottom=0)
    if published:
        for value, colour in zip(published, (BLUE, ORANGE), strict=True):
            axes.axhline(value, color=colour, linestyle=(0, (5, 4)), linewidth=0.9, alpha=0.6)
        words = f"published: {published[0]:.3f} training, {published[1]:.3f} validation"
        axes.annotate(
            words, (0, min(published)), (4, -4), ("axes fraction", "data"), "offset points", va="top", color=GREY
        )
    ends = [values[-1] for values in series.values()]
    heights = spread(ends, 0.055 * axes.get_ylim()[1])
    for name, end, height, colour in zip(series, ends, heights, (BLUE, ORANGE), strict=True):
        axes.annotate(
            f"{name} {end:.3f}", (1.01, height), xycoords=("axes fraction", "data"), va="center", color=colour
        )
    axes.set_xlabel("epoch")
    axes.set_ylabel("cross-entropy, nats")
    axes.set_title(f"the weights of epoch {training.best_epoch} were kept: lowest validation loss")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(axis="y")
    return figure
