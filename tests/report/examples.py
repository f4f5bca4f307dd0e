"""Synthetic reports: seeded, small, and with every case that a drawing must survive."""

from math import sqrt

import msgspec
import numpy as np

from edgefashion.records import (
    Architecture,
    ArtifactInfo,
    BenchReport,
    Cell,
    CellResult,
    Check,
    ClassScore,
    DataIdentity,
    Environment,
    EpochMetrics,
    Failure,
    Flip,
    Interval,
    Launch,
    Parity,
    Placement,
    Plan,
    Quality,
    Recipe,
    SessionSpec,
    TrainingReport,
    VerifyReport,
)

HOSTILE = "$\\frac$ <script>alert('x')</script> | [red] \x1b[31m\n=1+1"
LABELS = [
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
]
_RECALL = (0.836, 0.961, 0.736, 0.881, 0.835, 0.963, 0.601, 0.935, 0.962, 0.95)
GENERATIONS = 5


def identity(*, is_sample: bool = False, labels: list[str] = LABELS) -> DataIdentity:
    return DataIdentity(
        name="fashion-mnist",
        sha256="d1" * 32,
        train_images=2000 if is_sample else 55000,
        validation_images=500 if is_sample else 5000,
        test_images=1000 if is_sample else 10000,
        is_sample=is_sample,
        labels=labels,
        image_shape=[28, 28],
    )


def quality(*, lost: int = 0, labels: list[str] = LABELS) -> Quality:
    """1,000 pictures of each class, `lost` of each class fewer right than at best; mistakes fall on neighbours."""
    right = np.array([round(1000 * recall) - lost for recall in _RECALL])
    wrong = 1000 - right
    confusion = np.diag(right) + _confused(wrong)
    precision, recall = right / confusion.sum(axis=0), right / 1000
    f1 = 2 * precision * recall / (precision + recall)
    return Quality(
        images=10000,
        accuracy=float(recall.mean()),
        macro_f1=float(f1.mean()),
        weighted_f1=float(f1.mean()),
        weighted_precision=float(precision.mean()),
        weighted_recall=float(recall.mean()),
        cross_entropy=0.4,
        per_class=[
            ClassScore(label=label, precision=float(p), recall=float(r), f1=float(f), images=1000)
            for label, p, r, f in zip(labels, precision, recall, f1, strict=True)
        ],
        confusion=confusion.tolist(),
    )


def _confused(wrong: np.ndarray) -> np.ndarray:
    tops, shoes, others = (0, 2, 3, 4, 6), (5, 7, 9), (1, 8)
    spread = np.zeros((10, 10), dtype=int)
    for group in (tops, shoes, others):
        for row in group:
            rest = [column for column in group if column != row]
            for position, column in enumerate(rest):
                spread[row, column] = wrong[row] // len(rest) + (position < wrong[row] % len(rest))
    return spread


def artifact(variant: str, size_bytes: int) -> ArtifactInfo:
    return ArtifactInfo(
        name="seed",
        variant=variant,
        file=f"{variant}.onnx",
        sha256=msgspec.json.encode(variant).hex()[:64],
        size_bytes=size_bytes,
        precision="int8" if variant.startswith("int8") else "float32",
        scheme=None,
    )


FP32 = artifact("fp32", 52162)
INT8 = artifact("int8-static", 27773)
DYNAMIC = artifact("int8-dynamic", 22781)
FP16 = artifact("fp16", 29486)
CHECKPOINT = artifact("checkpoint", 50952)


def cell(info: ArtifactInfo, *, runtime: str = "onnxruntime", threads: int = 1, batch: int = 1, mark: str = "") -> Cell:
    provider = "CPUExecutionProvider" if runtime == "onnxruntime" else "cpu"
    label = f"{info.variant} | {runtime} | {threads} | {batch}{mark}"
    return Cell(
        label=label,
        artifact=info,
        session=SessionSpec(runtime=runtime, provider=provider, threads=threads),
        batch=batch,
    )


def launches(each: Cell, *, median_s: float, calls: int = 60, seed: int = 0) -> list[Launch]:
    """Lognormal calls with a tail of one in fifty, in two blocks a launch."""
    random = np.random.default_rng([seed, *each.label.encode()])

    def block() -> list[int]:
        calm = random.lognormal(np.log(median_s * 1e9), 0.04, calls)
        return (calm * np.where(random.random(calls) < 0.02, random.uniform(1.5, 4, calls), 1)).astype(int).tolist()

    return [
        Launch(
            cell=each.label,
            generation=generation,
            cpus=[1],
            threads_seen=1,
            import_s=0.2,
            session_s=0.004,
            first_run_s=0.001,
            steady=True,
            warmup_calls=100,
            peak_rss_bytes=61_000_000,
            session_rss_bytes=2_000_000,
            blocks_ns=[block(), block()],
        )
        for generation in range(GENERATIONS)
    ]


def result(
    each: Cell,
    *,
    median_s: float,
    ratio: float | None,
    rank: str,
    lost: int = 0,
    labels: list[str] = LABELS,
    **changes: object,
) -> CellResult:
    half = 0.012
    made = CellResult(
        cell=each.label,
        launches=GENERATIONS,
        calls=2 * 60 * GENERATIONS,
        median_s=Interval(value=median_s, low=median_s * 0.995, high=median_s * 1.005),
        mean_s=median_s * 1.03,
        p90_s=median_s * 1.06,
        p99_s=median_s * 2.5,
        throughput_per_s=each.batch / (median_s * 1.03),
        ratio=None if ratio is None else Interval(value=ratio, low=ratio * (1 - half), high=ratio * (1 + half)),
        rank=msgspec.convert(rank, type=CellResult.__annotations__["rank"]),
        quality=quality(lost=lost, labels=labels),
        placement=Placement(nodes={"CPUExecutionProvider": 24}, source="profile"),
        session_s=0.004,
        peak_rss_bytes=61_000_000,
    )
    return msgspec.structs.replace(made, **changes)


def environment() -> Environment:
    return Environment(
        cpu="Example CPU @ 2.50GHz",
        cores=4,
        usable_cores=2,
        memory_bytes=8_000_000_000,
        system="Linux 6.1",
        python="3.12.3",
        versions={"onnxruntime": "1.26.0", "numpy": "2.4.6"},
        container=None,
        hypervisor=True,
        governor=None,
        accelerators=[],
    )


def bench(*, is_sample: bool = False, labels: list[str] = LABELS) -> BenchReport:
    """fp32 against int8, fp16 and the checkpoint in PyTorch; one cell without p99, int8-dynamic failed."""
    base, copy = cell(FP32), cell(FP32, mark=" (A/A)")
    static, dynamic, half = cell(INT8), cell(DYNAMIC), cell(FP16)
    torch = cell(CHECKPOINT, runtime="pytorch")
    medians = [(base, 84.1e-6), (copy, 84.2e-6), (static, 52.6e-6), (half, 84.6e-6), (torch, 312e-6)]
    results = [
        result(base, median_s=84.1e-6, ratio=None, rank="reference", labels=labels),
        result(copy, median_s=84.2e-6, ratio=1.002, rank="no difference found", labels=labels),
        result(static, median_s=52.6e-6, ratio=0.625, rank="faster", lost=1, labels=labels),
        result(half, median_s=84.6e-6, ratio=1.006, rank="no difference found", labels=labels),
        result(torch, median_s=312e-6, ratio=3.71, rank="slower", labels=labels, p90_s=None, p99_s=None),
    ]
    return BenchReport(
        data=identity(is_sample=is_sample, labels=labels),
        plan=Plan(
            cells=[base, static, dynamic, half, torch, copy],
            reference=base.label,
            duplicate=copy.label,
            budget_s=60.0,
            max_generations=30,
            rounds=2,
            block_s=0.03,
            seed=7,
        ),
        launches=[launch for each, median_s in medians for launch in launches(each, median_s=median_s)],
        order=[each.label for each, _ in medians],
        results=results,
        failures=[Failure(cell=dynamic.label, reason="the worker died with signal 9")],
        warnings=["no steady state after warm-up: fp16"],
        partial=False,
        wall_s=61.5,
        environment=environment(),
    )


def without_evidence() -> BenchReport:
    """A run that was stopped after one launch a cell: no medians, no percentiles, no ratios."""
    full = bench()
    bare = {"median_s": None, "p90_s": None, "p99_s": None, "ratio": None, "launches": 1}
    results = [
        msgspec.structs.replace(
            each, **bare, rank="reference" if each.cell == full.plan.reference else "not enough launches"
        )
        for each in full.results
    ]
    first = [launch for launch in full.launches if launch.generation == 0]
    return msgspec.structs.replace(full, results=results, launches=first, partial=True)


def hostile_bench() -> BenchReport:
    """Every free text of the report is hostile: class names, variants, labels, reasons, warnings, versions."""
    labels = [f"{HOSTILE} {number}" for number in range(10)]
    plain = bench(is_sample=True, labels=labels)
    content = msgspec.to_builtins(plain)
    for each in content["plan"]["cells"]:
        each["artifact"]["variant"] += HOSTILE
        each["session"]["runtime"] += HOSTILE
    content["failures"][0]["reason"] = content["warnings"][0] = content["data"]["name"] = HOSTILE
    content["environment"]["versions"] = {HOSTILE: HOSTILE}
    content["environment"]["cpu"] = HOSTILE
    for each in content["results"]:
        each["placement"]["nodes"] = {HOSTILE: 1}
    return msgspec.convert(content, type=BenchReport)


def many_cells(count: int = 14) -> BenchReport:
    """Cells that lie on top of each other: the same artifact at nearly the same speed."""
    plain = bench()
    base, copy = plain.plan.cells[0], plain.plan.cells[-1]
    others = [cell(FP32, batch=number) for number in range(2, count + 1)]
    results = [
        plain.results[0],
        plain.results[1],
        *(
            result(each, median_s=84.1e-6 * (1 + 1e-4 * each.batch), ratio=1.0, rank="no difference found")
            for each in others
        ),
    ]
    plan = msgspec.structs.replace(plain.plan, cells=[base, *others, copy])
    samples = [launch for each in plan.cells for launch in launches(each, median_s=84.1e-6, calls=5)]
    return msgspec.structs.replace(plain, plan=plan, results=results, launches=samples, failures=[], warnings=[])


def training(*, is_sample: bool = False, labels: list[str] = LABELS, epochs: int = 10) -> TrainingReport:
    return TrainingReport(
        recipe=Recipe(
            name="seed",
            summary="a small network",
            architecture=Architecture(name="seed", settings={"widths": [4, 8, 16]}),
            epochs=epochs,
            batch_size=1024,
            learning_rate=1e-3,
        ),
        seed=0,
        device="cpu",
        threads=2,
        data=identity(is_sample=is_sample, labels=labels),
        parameters=11562,
        history=[
            EpochMetrics(
                epoch=epoch,
                train_loss=0.3 + 1.33 / epoch,
                train_accuracy=0.9 - 0.35 / epoch,
                validation_loss=0.33 + 0.94 / sqrt(epoch) / epoch,
                validation_accuracy=0.89 - 0.2 / epoch,
                images_per_s=9000.0,
                wall_s=6.0,
            )
            for epoch in range(1, epochs + 1)
        ],
        best_epoch=epochs,
        test=quality(labels=labels),
        wall_s=70.0,
        cpu_s=120.0,
        environment=environment(),
        checkpoint_sha256="c5" * 32,
    )


def parity(info: ArtifactInfo, *, flips: int, lost: int = 0, golden: bool = False) -> Parity:
    agreement = 1 - flips / 10000
    return Parity(
        artifact=info,
        runtime="onnxruntime 1.26.0 · CPUExecutionProvider",
        reference="checkpoint of run seed",
        images=10 if golden else 10000,
        max_abs=2.9e-6 if flips == 0 else 1.41,
        mean_abs=3.1e-7 if flips == 0 else 0.16,
        max_rel=1e-6,
        mean_rel=1e-7,
        max_reference_logit=12.3,
        agreement=agreement,
        flips=[
            Flip(
                index=100 + number,
                label=6,
                reference_class=6,
                candidate_class=number % 5,
                reference_margin=0.01 * (number + 1),
                candidate_margin=0.02,
            )
            for number in range(flips)
        ],
        reference_quality=None if golden else quality(),
        quality=None if golden else quality(lost=lost),
        checks=[Check(name="top-1 agreement", value=agreement, limit=0.985, relation="≥")],
    )


def verification(*, is_sample: bool = False) -> VerifyReport:
    """fp32 passes, int8-static passes with flips, int8-dynamic fails, fp16 saw golden outputs only."""
    return VerifyReport(
        data=identity(is_sample=is_sample),
        results=[
            parity(FP32, flips=0),
            parity(INT8, flips=37, lost=1),
            parity(DYNAMIC, flips=212, lost=9),
            parity(FP16, flips=0, golden=True),
        ],
        environment=environment(),
    )


def renamed_cell(report: BenchReport, *, label: str) -> BenchReport:
    """The report with its second result's cell under another label."""
    old = report.results[2].cell
    content = msgspec.json.encode(report).decode()
    return msgspec.json.decode(content.replace(f'"{old}"', f'"{label}"'), type=BenchReport)
