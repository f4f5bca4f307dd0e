"""The three commands of a kit, and how errors leave them: with edgefashion's exit codes."""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from edgefashion.environment.processor import usable_cpus
from edgefashion.errors import EdgefashionError, ExitCode, NotAvailable, UsageError
from edgefashion.files import SEAL_KEY, atomic_write
from edgefashion.kit.runner.integrity import read_kit

_LEAST_LAUNCHES = 10


def main(folder: Path, arguments: Sequence[str] | None = None) -> None:
    """Do what `arguments` say with the kit in `folder`, and exit."""
    given = _parser().parse_args(arguments)
    try:
        _COMMANDS[given.command](folder, read_kit(folder), given)
    except EdgefashionError as error:
        sys.stderr.write(f"edgefashion_kit: {error}\n")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)
    sys.exit(ExitCode.OK)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m edgefashion_kit", description="A model, proven where it is.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("info", help="say what is in the kit, where it comes from, and what device this is")
    commands.add_parser("selftest", help="check every digest, then the model's answers on the golden pictures")
    bench = commands.add_parser("bench", help="the self-test, then latency; writes a result to carry back")
    bench.add_argument("--launches", type=int, default=_LEAST_LAUNCHES, help="fresh processes (default and least: 10)")
    bench.add_argument("--cpus", metavar="N,N…", help="processors to use, one thread each (default: the last one)")
    bench.add_argument("--name", help="what to call this device (default: the name it gives itself)")
    bench.add_argument("--seed", type=int, default=0, help="decides the order of the blocks")
    bench.add_argument("--out", type=Path, default=Path("kit-result.json"), help="file of the result")
    return parser


def _info(folder: Path, kit: dict[str, Any], _: argparse.Namespace) -> None:
    _need_numpy()
    from edgefashion.kit.runner.device import describe

    artifact, oldest = kit["artifact"], kit["oldest"]
    device = describe(kit)
    runtime = f"{kit['runtime']} {device['versions'][kit['runtime']]}"
    _say(f"{artifact['name']}/{artifact['variant']}: {artifact['size_bytes']:,} bytes, {artifact['precision']}")
    _say(f"kit: {folder}, made by edgefashion {kit['edgefashion']}")
    for link in kit["chain"]:
        _say(f"{link['what']}: {link['sha256']} ({link['name']}; named by {link['named_by']})")
    _say(f"kit.json: {kit[SEAL_KEY]} (its own seal)")
    known = f"works from {oldest['oldest']} on, measured on {oldest['machine']}" if oldest else "oldest not measured"
    _say(f"runtime: {runtime}; {known}")
    _say(
        f"device: {device['board'] or 'no name'}; {device['cpu']}; {device['usable_cores']} of {device['cores']} cores"
    )
    _say(f"system: {device['system']}; Python {device['python']}; numpy {device['versions']['numpy']}")


def _selftest(folder: Path, kit: dict[str, Any], _: argparse.Namespace) -> None:
    answers = _prove(folder, kit, threads=1)
    _say(f"{len(kit['files'])} files: every digest as packed")
    _say(
        f"{answers.equal_decisions} of {answers.images} decisions equal, largest logit difference "
        f"{answers.max_abs:.3g} of {answers.max_logit_error:.3g} allowed"
    )
    answers.require()
    _say("PASS")


def _bench(folder: Path, kit: dict[str, Any], given: argparse.Namespace) -> None:
    cpus = _cpus(given.cpus)
    if given.launches < _LEAST_LAUNCHES:
        raise UsageError(f"--launches {given.launches}: an interval needs at least {_LEAST_LAUNCHES}")
    answers = _prove(folder, kit, threads=len(cpus))
    answers.require()
    from edgefashion.kit.runner.bench import measure, to_document

    content = measure(
        folder,
        kit,
        answers,
        cpus=cpus,
        launches=given.launches,
        seed=given.seed,
        name=given.name,
        note=_note,
    )
    atomic_write(given.out, to_document(content))
    _summarize(content)
    _say(f"written: {given.out}; carry it back to the machine that made the kit")


def _summarize(content: Mapping[str, Any]) -> None:
    latency, copy = content["latency"]["median_s"], content["duplicate"]
    launches = [each for each in content["launches"] if each["cell"] == "model"]
    steady = sum(each["steady"] for each in launches)
    start_s = sum(content["startup"][part] for part in ("spawn_s", "import_s", "session_s", "first_run_s"))
    _say(f"median of a call: {_micro(latency)} µs over {len(launches)} launches, {steady} of them steady")
    for name in ("p90", "p99"):
        tail = content["latency"][f"{name}_s"]
        _say(f"{name}: {_micro(tail)} µs" if tail else f"{name}: not told, a launch has too few calls")
    _say(f"second copy / model: {copy['value']:.3f} ({copy['low']:.3f} to {copy['high']:.3f}); without noise it is 1")
    if not copy["low"] <= 1 <= copy["high"]:
        _say("A FALSE ALARM: this device called the model different from itself; believe no smaller difference")
    _say(f"cold start: {1000 * start_s:.0f} ms from nothing to the first answer")


def _prove(folder: Path, kit: dict[str, Any], *, threads: int) -> Any:
    _need_numpy()
    from edgefashion.kit.runner.parity import answer, read_golden, read_model
    from edgefashion.kit.runner.runtimes import load_runtime

    runtime = load_runtime(kit["runtime"])
    runtime.version()
    return answer(runtime.Model(read_model(folder, kit), threads=threads), read_golden(folder, kit))


def _need_numpy() -> None:
    try:
        import numpy as np  # noqa: F401 - only whether it is here
    except ImportError as error:
        raise NotAvailable(f"numpy cannot be imported ({error}): pip install numpy") from None


def _cpus(text: str | None) -> list[int]:
    usable = usable_cpus()
    if text is None:
        return usable[-1:]
    try:
        chosen = sorted({int(part) for part in text.split(",")})
    except ValueError:
        chosen = []
    if not chosen or not set(chosen) <= set(usable):
        raise UsageError(f"--cpus {text}: expected some of {','.join(map(str, usable))}")
    return chosen


def _micro(interval: Mapping[str, float]) -> str:
    value, low, high = (1e6 * interval[end] for end in ("value", "low", "high"))
    return f"{value:.4g} ({low:.4g} to {high:.4g})"


def _note(line: str) -> None:
    sys.stderr.write(line + "\n")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


_COMMANDS: Mapping[str, Callable[[Path, dict[str, Any], argparse.Namespace], None]] = {
    "info": _info,
    "selftest": _selftest,
    "bench": _bench,
}
