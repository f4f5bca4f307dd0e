"""Muon: directions of one length, weights of one length."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from edgefashion.train.muon import Muon, orthogonalized  # noqa: E402 - after the skip

# What three applications of the polynomial make of singular values from 0.1 to 1, whose squares add up to 1.
LOWEST, HIGHEST = 0.68, 1.14

SHAPES = [(8, 36), (36, 8), (12, 12), (1, 9), (9, 1)]
each_shape = pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "×".join(map(str, shape)))


def polynomial(value: float) -> float:
    """The quintic with the coefficients of Jordan et al. 2024."""
    return 3.4445 * value - 4.7750 * value**3 + 2.0315 * value**5


def rotation(size: int, columns: int, seed: int) -> "torch.Tensor":
    """Columns of length 1 that stand upright on one another, float64."""
    generator = torch.Generator().manual_seed(seed)
    return torch.linalg.qr(torch.randn(size, columns, generator=generator, dtype=torch.float64))[0]


def gradient(*shape: int, seed: int = 0) -> "torch.Tensor":
    """Any direction."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def weight_with(gradient: "torch.Tensor", *, length: float = 3.0) -> "torch.nn.Parameter":
    """A weight of some length whose gradient is the given one."""
    start = torch.randn(gradient.shape, generator=torch.Generator().manual_seed(99))
    weight = torch.nn.Parameter(start * length / start.norm())
    weight.grad = gradient.clone()
    return weight


def unit(weight: "torch.Tensor") -> "torch.Tensor":
    """The weight, made as long as the square root of its output channels."""
    return weight * len(weight) ** 0.5 / weight.norm()


@each_shape
def test_singular_values_come_near_one(shape: tuple[int, int]) -> None:
    """Whatever its shape, a matrix whose directions are of like size gets singular values near 1."""
    rank = min(shape)
    lengths = torch.linspace(1, 3, rank, dtype=torch.float64)
    matrix = rotation(shape[0], rank, 1) * lengths @ rotation(shape[1], rank, 2).T
    values = torch.linalg.svdvals(orthogonalized(matrix.float()))
    assert values.shape == (rank,)
    assert float(values.min()) > LOWEST
    assert float(values.max()) < HIGHEST


@given(
    lengths=st.lists(st.floats(0.01, 10), min_size=1, max_size=6),
    wider=st.integers(0, 10),
    upright=st.booleans(),
    seed=st.integers(0, 100),
)
def test_directions_stay_and_lengths_follow_the_polynomial(
    lengths: list[float], wider: int, upright: bool, seed: int
) -> None:
    """The singular vectors stay; the polynomial is applied three times to singular values whose squares add up to 1."""
    rank = len(lengths)
    left, right = rotation(rank, rank, seed), rotation(rank + wider, rank, seed + 1)
    if upright:
        left, right = right, left
    values = torch.tensor(lengths, dtype=torch.float64)
    expected = values / values.norm()
    for _ in range(3):
        expected = expected.apply_(polynomial)
    result = orthogonalized(left * values @ right.T)
    torch.testing.assert_close(left * expected @ right.T, result, rtol=0, atol=1e-4)


@each_shape
def test_length_of_the_gradient_has_no_say(shape: tuple[int, int]) -> None:
    """A gradient a thousand times longer or shorter gives the same direction."""
    matrix = gradient(*shape)
    for factor in (1e-3, 1e3):
        torch.testing.assert_close(orthogonalized(matrix), orthogonalized(factor * matrix), rtol=0, atol=1e-3)


@each_shape
def test_tall_and_wide_are_treated_alike(shape: tuple[int, int]) -> None:
    """The transposed matrix gives the transposed direction."""
    matrix = gradient(*shape)
    torch.testing.assert_close(orthogonalized(matrix).T, orthogonalized(matrix.T), rtol=0, atol=1e-5)


def test_no_gradient_is_no_direction() -> None:
    """Where nothing is to be learned the direction is zero, not a division by zero."""
    assert torch.equal(torch.zeros(3, 5), orthogonalized(torch.zeros(3, 5)))


def test_a_step_goes_down_the_gradient_by_its_rate() -> None:
    """A step makes a weight √(output channels) long, then moves it by the rate against the orthogonalized gradient."""
    slope = gradient(6, 3, 3, 3)
    weight = weight_with(slope)
    before = weight.detach().clone()
    Muon([weight], lr=0.1, momentum=0.0).step()
    expected = unit(before) - 0.1 * orthogonalized(slope.flatten(1)).view_as(slope)
    torch.testing.assert_close(expected, weight.detach())
    assert float(((weight.detach() - unit(before)) * slope).sum()) < 0


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("length", [0.1, 50.0])
def test_weights_keep_their_length(layout: "torch.memory_format", length: float) -> None:
    """However long a weight was, it is √(output channels) long when the step is added, its direction unchanged."""
    weight = weight_with(gradient(6, 4, 3, 3), length=length)
    weight.data = weight.data.contiguous(memory_format=layout)
    before = weight.detach().clone()
    Muon([weight], lr=0.0, momentum=0.6).step()
    assert pytest.approx(6**0.5, rel=1e-6) == float(weight.detach().norm())
    torch.testing.assert_close(unit(before), weight.detach())


def test_momentum_is_nesterovs() -> None:
    """The direction is the gradient plus `momentum` of the sum of all gradients, older ones counting less and less."""
    first, second = gradient(4, 12, seed=1), gradient(4, 12, seed=2)
    weight = weight_with(first)
    optimizer = Muon([weight], lr=0.05, momentum=0.6)
    expected = weight.detach().clone()
    for slope, remembered in ((first, first), (second, second + 0.6 * first)):
        weight.grad = slope.clone()
        optimizer.step()
        expected = unit(expected) - 0.05 * orthogonalized(slope + 0.6 * remembered)
    torch.testing.assert_close(expected, weight.detach())


def test_gradients_are_left_as_they_are() -> None:
    """A step reads gradients and does not write them: others may want to look at them."""
    slope = gradient(4, 12)
    weight = weight_with(slope)
    optimizer = Muon([weight], lr=0.05, momentum=0.6)
    for _ in range(2):
        optimizer.step()
    assert weight.grad is not None
    assert torch.equal(slope, weight.grad)
