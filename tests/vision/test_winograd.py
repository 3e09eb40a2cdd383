import pytest
import torch

from bench.vision import winograd
from bench.vision.winograd import Convolution3x3


@pytest.mark.parametrize("size", [(1, 1), (4, 8), (7, 12), (15, 26)])
def test_it_is_a_convolution_to_rounding(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    ours = Convolution3x3(48, 40).requires_grad_(False)
    pictures = torch.rand(5, 48, *size)
    exact = torch.nn.functional.conv2d(
        pictures.double(), ours.weight.double(), ours.bias.double(), padding=1
    )
    torch.testing.assert_close(ours(pictures).double(), exact, rtol=0, atol=5e-6)


def test_where_pictures_are_parted_changes_them_by_rounding(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch.manual_seed(0)
    ours = Convolution3x3(48, 40).requires_grad_(False)
    pictures = torch.rand(5, 48, 15, 26)
    whole = ours(pictures)
    monkeypatch.setattr(winograd, "PART_VALUES", 1)
    torch.testing.assert_close(ours(pictures), whole, rtol=0, atol=5e-6)


def test_pictures_come_out_with_channels_last_in_memory() -> None:
    made = Convolution3x3(3, 4).requires_grad_(False)(torch.rand(2, 3, 9, 10))
    assert made.is_contiguous(memory_format=torch.channels_last)
