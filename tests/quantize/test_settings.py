"""Settings as text: what `--scheme` takes, and what variants are called."""

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgefashion.errors import UsageError
from edgefashion.quantize import SCHEMES, dynamic, float16, mixed, qoperator, static, weight_only
from edgefashion.quantize.settings import parse, recorded, spell

# Settings that differ from each default, in a combination that every scheme allows.
_STATIC: dict[str, st.SearchStrategy[Any]] = {
    "method": st.sampled_from(["minmax", "mse"]),
    "activations": st.sampled_from(["uint8", "int8"]),
    "per_channel": st.booleans(),
    "reduce_range": st.booleans(),
    "calibration_images": st.integers(1, 10**6),
    "calibration_seed": st.integers(0, 2**63),
}
_LAYERS = st.lists(st.text("abc.0_", min_size=1), max_size=3).map(tuple)

spelled = st.one_of(
    st.tuples(st.just("static"), st.builds(static.Config, **_STATIC)),
    st.tuples(
        st.just("static"),
        st.builds(static.Config, method=st.just("percentile"), percentile=st.floats(90, 100)),
    ),
    st.tuples(st.just("mixed"), st.builds(mixed.Config, **_STATIC, float_layers=_LAYERS)),
    st.tuples(st.just("qoperator"), st.builds(qoperator.Config, **_STATIC)),
    st.tuples(
        st.just("dynamic"),
        st.builds(dynamic.Config, weights=st.sampled_from(["int8", "uint8"]), per_channel=st.booleans()),
    ),
    st.tuples(st.just("weight-only"), st.builds(weight_only.Config, min_weights=st.integers(0, 10**9))),
    st.just(("float16", float16.Config())),
)


@given(case=spelled)
def test_what_is_spelled_is_parsed(case: tuple[str, Any]) -> None:
    """Text made of a scheme and its settings means that scheme and those settings."""
    assert case == parse(spell(*case))


@given(text=st.one_of(st.text(), st.text("statidynmcmixed:=,+0123456789.-_ eprhlo")))
def test_garbage_is_refused_as_such(text: str) -> None:
    """Any text is either a scheme with its settings or a usage error."""
    try:
        scheme, config = parse(text)
    except UsageError:
        return
    assert (scheme, config) == parse(spell(scheme, config))


@pytest.mark.parametrize("value", ["", "x", "int9", "-1", "nan", "inf", "1e999", "9" * 5000, "True", "+", "="])
@pytest.mark.parametrize(
    "name", ["method", "percentile", "activations", "per_channel", "calibration_images", "calibration_seed"]
)
def test_impossible_values_are_usage_errors(name: str, value: str) -> None:
    """A value that a setting cannot have is refused, whatever its type."""
    with pytest.raises(UsageError):
        parse(f"static:method=percentile,{name}={value}" if name == "percentile" else f"static:{name}={value}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("statik", "unknown quantization scheme 'statik': did you mean 'static'?"),
        ("static:metod=mse", "unknown setting of static 'metod': did you mean 'method'? known are method, percentile,"),
        ("static:method=ms", "unknown value of method 'ms': did you mean 'mse'? known are minmax, percentile, mse"),
        ("static:per_channel=yes", "unknown value of per_channel 'yes': known are true, false"),
        ("static:calibration_images=many", "calibration_images is 'many': expected a whole number"),
        ("static:method=percentile,percentile=most", "percentile is 'most': expected a number"),
        ("static:mse", "'mse' in 'static:mse' is no setting: expected NAME=VALUE, as in static:method=mse"),
        ("static:", "'' in 'static:' is no setting: expected NAME=VALUE"),
        ("static:method=mse,method=minmax", "method is given twice in 'static:method=mse,method=minmax'"),
        ("float16:bits=8", "float16 has no settings: got bits=8"),
        ("static:activations=int8,weights=uint8", "int8 activations go with int8 weights"),
        ("static:percentile=99.9", "percentile is for method=percentile, not for method=minmax"),
        ("static:method=percentile,percentile=50", "percentile is 50.0: expected 90 to 100"),
        ("static:calibration_images=0", "calibration needs at least one picture"),
        ("qoperator:weights=uint8", "uint8 weights have one scale in QOperator form: add per_channel=false"),
        ("weight-only:min_weights=-1", "min_weights is -1: expected 0 or more"),
    ],
)
def test_the_message_names_what_would_do(text: str, message: str) -> None:
    """What is refused is named, with the nearest that exists or with what was expected."""
    with pytest.raises(UsageError) as refused:
        parse(text)
    assert str(refused.value).startswith(message)


def test_an_unknown_method_is_refused_in_python_too() -> None:
    """It does not pass for one that exists."""
    with pytest.raises(UsageError, match=r"unknown method 'entropy'.*known are minmax, percentile, mse"):
        static.Config(method="entropy")  # type: ignore[arg-type]


def test_settings_are_read_by_their_types() -> None:
    """Words, numbers, truth values and lists become what the scheme's fields are."""
    text = "mixed:method=percentile,percentile=99.5,per_channel=false,calibration_images=20,float_layers=a.0+b"
    expected = mixed.Config(
        method="percentile", percentile=99.5, per_channel=False, calibration_images=20, float_layers=("a.0", "b")
    )
    assert ("mixed", expected) == parse(text)


@pytest.mark.parametrize(
    ("text", "variant"),
    [
        ("static", "int8-static"),
        ("dynamic", "int8-dynamic"),
        ("float16", "fp16"),
        ("mixed", "int8-mixed"),
        ("weight-only", "int8-weight-only"),
        ("qoperator", "int8-qoperator"),
        ("static:method=minmax", "int8-static"),
        ("static:method=percentile", "int8-static-percentile"),
        ("static:method=percentile,percentile=99.9", "int8-static-percentile-99.9"),
        ("static:activations=int8,reduce_range=true", "int8-static-int8-activations-reduced-range"),
        ("static:weights=uint8,per_channel=false", "int8-static-uint8-weights-per-tensor"),
        ("static:calibration_images=50,calibration_seed=3", "int8-static-50-images-seed-3"),
        ("dynamic:weights=uint8,per_channel=true", "int8-dynamic-uint8-weights-per-channel"),
        ("mixed:float_layers=hidden+classify", "int8-mixed-float-hidden+classify"),
        ("weight-only:min_weights=0", "int8-weight-only-from-0-weights"),
        ("qoperator:activations=int8", "int8-qoperator-int8-activations"),
    ],
)
def test_a_variant_is_called_by_what_is_not_default(text: str, variant: str) -> None:
    """Default settings are not named, all others are."""
    assert variant == parse(text)[1].variant


@pytest.mark.parametrize("scheme", SCHEMES.names())
def test_no_setting_goes_unsaid(scheme: str) -> None:
    """Every setting of a scheme has a word of its own in the variant's name."""
    words = [each.metadata["word"] for each in dataclasses.fields(SCHEMES.load(scheme).Config)]
    assert all(words)
    assert len([word for word in words if word != "{}"]) == len({word for word in words if word != "{}"})


def test_a_manifest_holds_every_setting() -> None:
    """Defaults are recorded too, and layers are joined as on the command line."""
    config = mixed.Config(method="mse", float_layers=("a", "b"))
    expected = dataclasses.asdict(config) | {"float_layers": "a+b"}
    assert expected == recorded(config)
