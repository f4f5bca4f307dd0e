"""Layers that see a share of a batch, tried on a share that is the whole: there they are torch's own."""

import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings  # noqa: E402 - after the skip
from hypothesis import strategies as st  # noqa: E402
from torch import nn  # noqa: E402

from edgefashion.errors import NotAvailable  # noqa: E402
from edgefashion.train.split import Split, SplitBatchNorm, SplitDropout, moments, split_layers  # noqa: E402
from edgefashion.train.world import ALONE  # noqa: E402


def learned(layer: nn.Module, x: torch.Tensor, above: torch.Tensor) -> list[torch.Tensor]:
    """Output, gradients and statistics after one step forward and back."""
    x = x.clone().requires_grad_()
    y = layer(x)
    y.backward(above)
    assert x.grad is not None
    return [y.detach(), x.grad, layer.weight.grad, layer.bias.grad, layer.running_mean, layer.running_var]


@settings(max_examples=25, deadline=None)
@given(
    count=st.integers(2, 9),
    channels=st.integers(1, 5),
    size=st.sampled_from([None, 1, 3]),
    mean=st.floats(-30, 30),
    channels_last=st.booleans(),
)
def test_batch_norm_is_torch_s(count: int, channels: int, size: int | None, mean: float, channels_last: bool) -> None:
    """Forward, backward and running statistics are those of torch's layer, in every shape and layout."""
    torch.manual_seed(count)
    shape = (count, channels) if size is None else (count, channels, size, size)
    x, above = torch.randn(shape) * 2 + mean, torch.randn(shape)
    if size and channels_last:
        x = x.contiguous(memory_format=torch.channels_last)
    theirs = nn.BatchNorm1d(channels) if size is None else nn.BatchNorm2d(channels)
    nn.init.uniform_(theirs.weight)
    nn.init.uniform_(theirs.bias)
    ours = SplitBatchNorm(type(theirs)(channels), ALONE)
    ours.load_state_dict(theirs.state_dict())
    for mine, other in zip(learned(ours, x, above), learned(theirs, x, above), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-5)
    assert int(ours.num_batches_tracked) == int(theirs.num_batches_tracked) == 1
    assert torch.equal(ours.eval()(x), theirs.eval()(x)) or torch.allclose(ours(x), theirs(x), atol=1e-6)


def test_batch_norm_in_bfloat16() -> None:
    """Inputs in bfloat16 stay so, and statistics and gradients of the weights are float32."""
    x = torch.randn(6, 3, 4, 4).bfloat16()
    ours, theirs = SplitBatchNorm(nn.BatchNorm2d(3), ALONE), nn.BatchNorm2d(3)
    mine, other = (learned(layer, x, torch.ones_like(x)) for layer in (ours, theirs))
    assert [each.dtype for each in mine] == [each.dtype for each in other]
    torch.testing.assert_close(mine[0], other[0])
    torch.testing.assert_close(mine[5], other[5])


def test_moments_far_from_zero() -> None:
    """A mean ten thousand times the deviation takes nothing from the variance."""
    x = torch.randn(64, 2, 8, 8, generator=torch.Generator().manual_seed(0)) + 1e4
    _, variance, count = moments(x, ALONE)
    torch.testing.assert_close(variance.double(), x.double().var((0, 2, 3), correction=0), rtol=1e-4, atol=0)
    assert int(count) == 64 * 64


def test_dropout_draws_what_one_process_draws() -> None:
    """The layer leaves out what torch's leaves out, and nothing in evaluation mode."""
    x = torch.randn(16, 8)
    split = Split(ALONE, pictures=16)
    ours, theirs = SplitDropout(0.5, split), nn.Dropout(0.5)
    drawn = []
    for layer in (ours, theirs):
        torch.manual_seed(1)
        drawn.append(layer(x))
    assert torch.equal(*drawn)
    assert ours.eval()(x) is x


def test_layers_are_replaced_in_place() -> None:
    """Deep in a model, batch-norm and dropout are replaced; the names and the very tensors of the weights stay."""
    model = nn.Sequential(nn.Linear(4, 4), nn.Sequential(nn.BatchNorm1d(4), nn.Dropout(0.1)), nn.BatchNorm2d(4))
    before = model.state_dict(keep_vars=True)
    split_layers(model, Split(ALONE))
    after = model.state_dict(keep_vars=True)
    assert list(before) == list(after)
    assert all(before[name] is after[name] for name in before)
    kinds = [type(layer) for layer in model.modules()]
    assert (kinds.count(SplitBatchNorm), kinds.count(SplitDropout)) == (2, 1)
    assert not {nn.BatchNorm1d, nn.BatchNorm2d, nn.Dropout} & set(kinds)


@pytest.mark.parametrize("missing", [{"affine": False}, {"track_running_stats": False}, {"momentum": None}])
def test_batch_norm_without_its_parts(missing: dict[str, bool | None]) -> None:
    """A batch-norm of another kind is refused, never trained wrongly."""
    with pytest.raises(NotAvailable, match="cannot be trained by several processes"):
        split_layers(nn.Sequential(nn.BatchNorm2d(3, **missing)), Split(ALONE))
