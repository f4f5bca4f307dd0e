"""What a training tells whoever watches."""

from typing import Protocol

from edgefashion.records import EpochMetrics, Recipe


class Progress(Protocol):
    """What a training tells whoever watches."""

    def start(self, recipe: Recipe, images: int, first_epoch: int) -> None:
        """Training starts, or goes on, with `first_epoch`; an epoch has `images` pictures."""

    def step(self, images_done: int, loss: float) -> None:
        """One batch of the current epoch is done."""

    def epoch(self, metrics: EpochMetrics) -> None:
        """One epoch is done."""

    def note(self, text: str) -> None:
        """Something worth a line."""


class Silent:
    """A progress that nobody watches."""

    def start(self, recipe: Recipe, images: int, first_epoch: int) -> None:
        """Say nothing."""

    def step(self, images_done: int, loss: float) -> None:
        """Say nothing."""

    def epoch(self, metrics: EpochMetrics) -> None:
        """Say nothing."""

    def note(self, text: str) -> None:
        """Say nothing."""
