"""`edgefashion verify`: every limit on decisions has its option, and a run's flips become pictures."""

import json
from pathlib import Path

import pytest

pytest.importorskip("torch")

LENIENT = ("--min-agreement", "0.5", "--max-accuracy-drop", "1", "--max-class-f1-drop", "1", "--max-brier-rise", "2")


@pytest.mark.parametrize(
    ("variant", "option", "value", "name"),
    [
        ("int8-dynamic", "--max-class-f1-drop", "0.25", "F1 drop of"),
        ("int8-dynamic", "--max-brier-rise", "0.75", "Brier score's rise, lower bound"),
        ("fp32", "--margin-share", "0.75", "largest logit difference, by margins"),
    ],
)
def test_each_option_is_a_limit(run, own_run, variant: str, option: str, value: str, name: str) -> None:
    """What is given takes the place of the default: the check's limit follows it."""
    outcome = run("verify", own_run / f"{variant}.onnx", "--json", "--reference", "stored", *LENIENT, option, value)
    assert outcome.code == 0
    (parity,) = json.loads(outcome.out)["results"]
    (check,) = [check for check in parity["checks"] if check["name"].startswith(name)]
    if option == "--margin-share":
        assert parity["certificate"]["margin_share"] == 0.75
        assert check["limit"] == parity["certificate"]["tolerance"]
    else:
        assert check["limit"] == float(value)


def test_verifying_a_run_draws_its_flips(run, own_run) -> None:
    """Each variant that decides differently gets a gallery; one left by an earlier verification goes."""
    plots = Path(own_run) / "plots"
    plots.mkdir(exist_ok=True)
    (plots / "flips-gone.png").write_bytes(b"old")
    outcome = run("verify", own_run, *LENIENT)
    assert outcome.code == 0
    results = json.loads((own_run / "verify.json").read_bytes())["results"]
    differing = {f"flips-{each['artifact']['variant']}.png" for each in results if each["flips"]}
    assert differing
    assert differing == {path.name for path in plots.glob("flips-*.png")}
    for words in ("Decisions", "McNemar p", "Coverage at risk", "Margin certificate", "Checks"):
        assert words in outcome.out
