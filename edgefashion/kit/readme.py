"""README.md of a kit: what to copy, what to type, what the figures mean."""

import textwrap
from collections.abc import Sequence

from edgefashion import __version__
from edgefashion.artifact import Artifact
from edgefashion.kit.package import PACKAGE
from edgefashion.records.kit import KitRuntime, Link, OldestRuntime

_WIDTH = 120

_TEXT = """\
# {name}: a kit for a device

One model ({size:,} bytes, {precision}) with the pictures and answers that prove it, and a runner. Made by
edgefashion {version}; edgefashion itself is not needed here, nor is the framework that trained the model.

## What to copy

This whole folder, to any place on the device. The device needs Linux, Python 3.11 or newer, and two packages:

    python3 -m pip install --no-deps numpy {runtime}

{oldest}

## What to type, in this folder

    python3 -m {package} selftest
    python3 -m {package} bench --name "what you call this device"
    python3 -m {package} info

Every command first compares each file of the kit with its SHA-256 in kit.json. If one byte differs it names the file
and goes no further (exit code 4). {package}/__main__.py runs before anything can look at it: if that one is
damaged, either the others say so or Python does, and nothing is measured.

**selftest** runs the golden pictures and compares the answers with those that the model gave when it was packed. It
says PASS (exit code 0) if every decision is equal and no logit is further off than {explains}; else
the exit code is 1.

**bench** passes the self-test first, then takes about half a minute, in which nothing else should run. It writes
kit-result.json. Carry that file back: `edgefashion kit RUN --results kit-result.json` puts it beside other devices and
beside the machine that made the kit. On processors with cores of two kinds, choose with `--cpus 4` or `--cpus 4,5`:
each gets one thread.

**info** says what this is, down to the data set, and what device it is on.

## What the figures mean

- *median of a call*: one picture, input and output already in place. Each launch is a fresh process, pinned, warmed up
  until two windows agree; it counts with its median. The figure is the geometric mean over launches, in brackets its
  95 % interval (Student's t on the logarithms). It is about this run: heat and other programs are in it.
- *p90, p99*: the time that 90 or 99 of 100 calls stay below; missing where a launch has too few calls to tell.
- *second copy / model*: the same model measured twice, interleaved. The true ratio is 1. If the interval leaves out 1,
  that is a false alarm, and no smaller difference between models means anything on this device at this time.
- *cold start*: from nothing to the first answer, with the files in the page cache.

Exit codes: 0 done, 1 the model answers wrongly, 2 usage, 4 a damaged file or a model that the runtime refuses, 5 numpy
or the runtime is missing, 6 cannot read or write.

## Where it comes from

Each digest is SHA-256; `sha256sum FILE` shows that of a file. Each line says where its digest stands. kit.json has
those of all files here, and its own inside: that of itself with these 64 digits as zeros.

{chain}
"""


def readme(artifact: Artifact, *, runtime: KitRuntime, oldest: OldestRuntime | None, chain: Sequence[Link]) -> str:
    """The text, the same for the same kit."""
    manifest = artifact.manifest
    return _TEXT.format(
        name=f"{manifest.name}/{manifest.variant}",
        size=artifact.info.size_bytes,
        precision=manifest.precision,
        version=__version__,
        runtime=runtime,
        package=PACKAGE,
        oldest=_oldest(runtime, oldest),
        explains="another order of sums explains" if manifest.precision == "float32" else "a few rounding steps",
        chain="\n".join(f"- {link.what} `{link.name}`: `{link.sha256}`, named by {link.named_by}" for link in chain),
    )


def _oldest(runtime: KitRuntime, measured: OldestRuntime | None) -> str:
    if measured is None:
        return f"Which is the oldest {runtime} that runs this file was not measured; the self-test tells."
    before = f"{measured.next_older} fails: {measured.reason}" if measured.next_older else "no older one was tried"
    sentence = (
        f"The oldest {runtime} that runs such a file correctly is {measured.oldest}, measured back from "
        f"{measured.newest} by the last patch of each release, on {measured.machine} with Python {measured.python}; "
        f"{before}. Releases before 1.19 need `numpy<2`."
    )
    return textwrap.fill(sentence, _WIDTH, break_long_words=False, break_on_hyphens=False)
