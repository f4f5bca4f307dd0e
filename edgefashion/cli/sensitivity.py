"""`edgefashion sensitivity` and `edgefashion stability`."""

from typing import Annotated

import typer

from edgefashion.cli.options import DataOption, JsonOption, MaxLossOption, RunArgument, parse_share

_DEFAULT_SCHEMES = ["static", "static:method=percentile", "static:method=mse"]


def sensitivity(
    run: RunArgument = None,
    *,
    max_drop: MaxLossOption = None,
    budget: Annotated[float, typer.Option(min=0, help="Seconds for measuring latency; 0 measures none.")] = 30.0,
    where: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show which layers int8 damages, and what each gains.

    Each layer is quantized alone, then layers become float32 one by one, the most damaging first. Everything is
    judged on validation pictures and timed side by side. With --max-drop the fastest assignment is named whose drop
    in accuracy is proven to be smaller; `edgefashion export --max-drop` makes it. Writes sensitivity.json and a plot.
    """
    from edgefashion import runs
    from edgefashion import sensitivity as room
    from edgefashion.cli import console
    from edgefashion.data import load_present
    from edgefashion.files import locked
    from edgefashion.report import plots
    from edgefashion.report.assignment_plot import assignment_front
    from edgefashion.report.sensitivity_grids import assignments_grid, layers_grid
    from edgefashion.report.tables import table

    limit = parse_share(max_drop, "--max-drop")
    folder = runs.find_run(run)
    fp32 = runs.float_model(folder)
    split = load_present(where, note=console.note)
    with locked(folder):
        report = room.analyse(fp32, split, max_drop=limit, budget_s=budget, note=console.note)
        report.save(folder / runs.SENSITIVITY)
        plot = plots.save(assignment_front(report), folder / runs.PLOTS / "assignments.png")
    if as_json:
        console.show_json(report.to_json())
    else:
        console.show(table(layers_grid(report)), table(assignments_grid(report)))
        console.note(f"written to {folder / runs.SENSITIVITY} and {plot}")


def stability(
    run: RunArgument = None,
    *,
    scheme: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME or NAME:KEY=VALUE,…; may be given more than once. Default: static by minmax, percentile and mse."
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(min=2, help="Calibrations of each, every one on other pictures.")] = 5,
    size: Annotated[
        list[int] | None,
        typer.Option(min=1, help="Calibration pictures; may be given more than once. Default: 100 and 1000."),
    ] = None,
    where: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show how far int8 results hang on the calibration pictures.

    Each scheme is calibrated several times on other training pictures and judged on validation pictures. Variants
    that cannot be told apart are not ranked, and the result says so. Writes stability.json.
    """
    from edgefashion import runs
    from edgefashion.cli import console
    from edgefashion.data import load_present
    from edgefashion.environment import require
    from edgefashion.files import locked
    from edgefashion.report.sensitivity_grids import stability_grid
    from edgefashion.report.tables import table

    require("train", purpose="quantizing")
    from edgefashion.quantize.stability import measure_stability

    folder = runs.find_run(run)
    fp32 = runs.float_model(folder)
    split = load_present(where, note=console.note)
    with locked(folder):
        report = measure_stability(
            fp32,
            scheme or _DEFAULT_SCHEMES,
            split,
            seeds=seeds,
            sizes=size or [100, 1000],
            note=console.note,
        )
        report.save(folder / runs.STABILITY)
    if as_json:
        console.show_json(report.to_json())
    else:
        console.show(table(stability_grid(report)))
