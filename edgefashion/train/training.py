"""The training itself: recipe and data set in, checkpoint out, resumable after every epoch."""

import math
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import msgspec
import torch
from torch import Tensor

from edgefashion import environment, runs, tensors
from edgefashion.artifact import Artifact, from_content
from edgefashion.data import Dataset, Images
from edgefashion.errors import BadInput, CheckFailed
from edgefashion.models import Classifier, build
from edgefashion.models.checkpoint import load_weights, weights_of
from edgefashion.recipes import find_recipe
from edgefashion.records import EpochMetrics, Recipe, ResumeState
from edgefashion.train import state as saved_state
from edgefashion.train.augment import compose
from edgefashion.train.checks import check_training
from edgefashion.train.device import find_device, find_precision
from edgefashion.train.learner import Learner
from edgefashion.train.loop import batch_bounds, deterministic, evaluate, predict, train_epoch
from edgefashion.train.losses import Lessons
from edgefashion.train.memory import keep_freed_memory
from edgefashion.train.outcome import write_outcome
from edgefashion.train.progress import Progress, Silent
from edgefashion.train.teacher import teacher_answers
from edgefashion.train.world import World, find_world, joined


def fit(
    recipe: str | Recipe,
    data: Dataset,
    *,
    out: str | Path,
    seed: int = 0,
    teacher: Artifact | None = None,
    device: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
    resume: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Artifact:
    """Train `recipe` on `data`; keep the epoch with the lowest validation loss, or the last, as the recipe says.

    The same recipe, data, seed, teacher, thread count, device and precision give the same checkpoint, byte for byte,
    whether or not the training was interrupted and resumed. The test pictures are used once, at the end, for the
    report.

    Where `torchrun` started several processes, all of them call this with the same arguments and share every batch: the
    weights are those of one process up to the order in which floats are added. The first process writes the files and
    tells `progress`; an error of one is raised in all. If torchrun starts them again, they go on with the last epoch.

    Args:
        recipe: A preset's name, or a recipe.
        data: Pictures and labels.
        out: The run's folder: checkpoint.safetensors, reference.safetensors and train.json are written here.
        seed: Decides the initial weights, the order of the pictures and how they are augmented.
        teacher: A checkpoint whose answers are taught beside the labels.
        device: auto, cpu, cuda or mps.
        precision: float32, bfloat16, or auto: the recipe's, where the processor computes it in hardware.
        threads: torch's threads; by default all usable cores, or this process's part of them.
        resume: Go on where an interrupted training in `out` stopped.
        overwrite: Remove what an earlier run left in `out`, its models and results too, and start anew.
        progress: Is told what happens.

    Returns:
        The checkpoint.

    Raises:
        UsageError: The recipe is unknown, `out` holds a finished run, there is nothing to resume, or what there is
            belongs to another recipe, seed, teacher or data set.
        BadInput: The recipe contradicts itself, or the teacher knows other classes or pictures.
        NotAvailable: The device is not on this machine, or another process of the training has ended.
        CheckFailed: The loss diverged, or the processes differ in what they train.
        CannotWrite: The folder is locked or not writable.
    """
    recipe = find_recipe(recipe) if isinstance(recipe, str) else recipe
    out, world = Path(out), find_world()
    progress = progress if progress and world.leads else Silent()
    keep_freed_memory()
    with joined(world), ExitStack() as held:
        with world.agreed():
            check_training(recipe, data, seed=seed, teacher=teacher, processes=world.size)
            place = find_device(device, world)
            blank = ResumeState(
                recipe=recipe,
                seed=seed,
                threads=threads or max(1, len(environment.usable_cpus()) // world.local_size),
                device=place.type,
                precision=find_precision(precision, recipe, place, note=progress.note),
                teacher_sha256=None if teacher is None else teacher.sha256,
                processes=world.size,
                data=data.identity,
                history=[],
                best_epoch=0,
                wall_s=0.0,
                cpu_s=0.0,
            )
            held.enter_context(deterministic(blank.threads))
            training = _Training(blank, data, teacher=teacher, out=out, place=place, world=world, progress=progress)
        world.check_same("what they are to train", msgspec.json.encode(blank))
        # Only now, when nothing is left that could be refused, is anything in the folder touched.
        # torchrun starts all processes again with the options of the first time; the machine that lost one counts.
        again = world.total(world.restarts) > 0
        interrupted = None
        with world.agreed():
            if world.leads:
                interrupted = held.enter_context(
                    saved_state.taken(out, resume=resume, overwrite=overwrite, again=again)
                )
        interrupted = world.told(interrupted)
        if interrupted is not None:
            training.resume(*interrupted)
        training.run()
        return training.finish()


class _Training:
    """The moving parts of one training; everything that leaves it is frozen."""

    def __init__(
        self,
        blank: ResumeState,
        data: Dataset,
        *,
        teacher: Artifact | None,
        out: Path,
        place: torch.device,
        world: World,
        progress: Progress,
    ) -> None:
        self.state, self.data, self.teacher, self.out, self.progress = blank, data, teacher, out, progress
        self.place, self.world = place, world
        recipe = blank.recipe
        self.augment = compose(recipe.augment)
        saved_state.seed_epoch(blank.seed, 0)
        # channels_last: on the CPU 2.9 times as fast as the default layout for seed, 1.6 times for seed-wide.
        model = build_for(recipe, data).to(place)
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch omits this form
        steps = recipe.epochs * len(batch_bounds(len(data.train), recipe.batch_size))
        self.learner = Learner(recipe, model, steps=steps, precision=blank.precision, world=world)
        self.best: tensors.Arrays = {}

    def resume(self, arrays: tensors.Arrays, saved: ResumeState) -> None:
        for warning in saved_state.check_same_run(saved, self.state):
            self.progress.note(warning)
        self.best = saved_state.restore(arrays, self.learner)
        here = self.state
        self.state = msgspec.structs.replace(
            saved, threads=here.threads, device=here.device, precision=here.precision, processes=here.processes
        )

    def run(self) -> None:
        recipe, first = self.state.recipe, len(self.state.history) + 1
        self.progress.start(recipe, len(self.data.train), first)
        if first > recipe.epochs:
            return
        lessons = self._lessons()
        held_out = _to_device(self.data.validation, self.place)
        for epoch in range(first, recipe.epochs + 1):
            wall, cpu = time.perf_counter(), time.process_time()
            saved_state.seed_epoch(self.state.seed, epoch)
            loss, accuracy = train_epoch(self.learner, self.augment, lessons, epoch=epoch, step_done=self.progress.step)
            trained_s = time.perf_counter() - wall
            validation_loss, validation_accuracy = evaluate(
                self.learner.result, *held_out, precision=self.state.precision, world=self.world
            )
            if not math.isfinite(validation_loss):
                raise CheckFailed(f"the validation loss became {validation_loss}: lower the learning rate")
            wall_s = time.perf_counter() - wall
            metrics = EpochMetrics(
                epoch=epoch,
                train_loss=loss,
                train_accuracy=accuracy,
                validation_loss=validation_loss,
                validation_accuracy=validation_accuracy,
                images_per_s=len(lessons) / trained_s,
                wall_s=wall_s,
            )
            self._remember(metrics, wall_s, time.process_time() - cpu)
            self.progress.epoch(metrics)

    def _lessons(self) -> Lessons:
        images, labels = _to_device(self.data.train, self.place)
        if self.teacher is None:
            return Lessons(images, labels)
        self.progress.note(f"asking the teacher about {len(labels):,} pictures and their mirror images")
        ask = partial(teacher_answers, self.teacher, precision=self.state.precision)
        return Lessons(images, labels, self.world.shared_out(ask, images))

    def _remember(self, metrics: EpochMetrics, wall_s: float, cpu_s: float) -> None:
        before = self.state.history
        lowest = min((seen.validation_loss for seen in before), default=float("inf"))
        kept = metrics.validation_loss < lowest or self.state.recipe.keep == "last"
        if kept:
            self.best = weights_of(self.learner.result)
        self.state = msgspec.structs.replace(
            self.state,
            history=[*before, metrics],
            best_epoch=metrics.epoch if kept else self.state.best_epoch,
            wall_s=self.state.wall_s + wall_s,
            cpu_s=self.state.cpu_s + self.world.total(cpu_s),
        )
        learned = self.learner.arrays()
        values = b"".join(array.tobytes() for array in learned.values())
        self.world.check_same(f"their weights after epoch {metrics.epoch}", values)
        with self.world.agreed():
            if self.world.leads:
                saved_state.save(self.out / runs.RESUME, learned, self.best, self.state)

    def finish(self) -> Artifact:
        """Write what the training leaves; every process gets the checkpoint."""
        model = self.learner.model
        load_weights(model, self.best)
        pictures = torch.tensor(self.data.test.pixels, device=self.place)
        logits = self.world.shared_out(partial(predict, model), pictures).numpy()
        content = b""
        with self.world.agreed():
            if self.world.leads:
                content = write_outcome(self.state, self.data, model, logits, teacher=self.teacher, out=self.out)
        return from_content(self.world.told(content), self.out / runs.CHECKPOINT)


def build_for(recipe: Recipe, data: Dataset) -> Classifier:
    """A freshly initialized classifier for the pictures and classes of `data`.

    Raises:
        UsageError: No architecture has the recipe's name.
        BadInput: The architecture cannot be built with the recipe's settings.
    """
    height, width = data.identity.image_shape
    try:
        return build(
            recipe.architecture,
            image_shape=(height, width),
            classes=len(data.labels),
            preprocessing=data.preprocessing,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput(
            f"the settings of the architecture {recipe.architecture.name} do not make one: {error}"
        ) from error


def _to_device(images: Images, place: torch.device) -> tuple[Tensor, Tensor]:
    return (
        torch.tensor(images.pixels, device=place),
        torch.tensor(images.labels, dtype=torch.int64, device=place),
    )
