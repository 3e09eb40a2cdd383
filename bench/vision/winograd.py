"""Convolutions of 3x3 with a quarter of the multiplications, for processors."""

import torch
from torch import Tensor
from torch.nn import functional

# Of F(4x4, 3x3): pictures are cut in tiles of 6x6 that overlap by two, each of which gives 4x4.
_OF_TILE = (
    (4, 0, -5, 0, 1, 0),
    (0, -4, -4, 1, 1, 0),
    (0, 4, -4, -1, 1, 0),
    (0, -2, -1, 2, 1, 0),
    (0, 2, -1, -2, 1, 0),
    (0, 4, 0, -5, 0, 1),
)
_OF_KERNEL = (
    (1 / 4, 0, 0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0, 0, 1),
)
_OF_PRODUCT = ((1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -2, 0), (0, 1, 1, 4, 4, 0), (0, 1, -1, 8, -8, 1))

PART_VALUES = 2**20  # of tiles that are transformed at once: they should stay in the cache


class Convolution3x3(torch.nn.Conv2d):
    """A convolution of 3x3, stride 1, edges padded by one, whose weights no longer change.

    Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016. In single
    precision its rounding is three times that of the plain sum: 1e-6 of what comes out. On a GPU it
    is torch's own convolution, which chooses for itself.
    """

    def __init__(self, channels: int, out_channels: int) -> None:
        super().__init__(channels, out_channels, 3, padding=1)
        self._transformed: Tensor | None = None  # `[36, C, K]`, from when it is first needed

    def forward(self, pictures: Tensor) -> Tensor:
        """`[N, K, H, W]` of `[N, C, H, W]`; both lie in memory with channels last."""
        if pictures.device.type != "cpu":
            return super().forward(pictures)
        if self._transformed is None:
            of_kernel = torch.tensor(_OF_KERNEL, dtype=torch.float64)
            kernel = self.weight.permute(2, 3, 1, 0).double()
            both = torch.einsum("ia,jb,abck->ijck", of_kernel, of_kernel, kernel)
            self._transformed = both.flatten(0, 1).float()
        tiles = -(-pictures.shape[2] // 4) * -(-pictures.shape[3] // 4)
        size = max(1, PART_VALUES // (36 * tiles * max(self.in_channels, self.out_channels)))
        parts = [_convolved(part, self._transformed) for part in torch.split(pictures, size)]
        return torch.cat(parts).add_(self.get_parameter("bias")).permute(0, 3, 1, 2)


def _convolved(pictures: Tensor, transformed: Tensor) -> Tensor:
    """Without bias, `[N, H, W, K]` of `[N, C, H, W]`."""
    count, channels, height, width = pictures.shape
    rows, columns = -(-height // 4), -(-width // 4)
    margins = (0, 0, 1, 4 * columns - width + 1, 1, 4 * rows - height + 1)
    padded = functional.pad(pictures.permute(0, 2, 3, 1), margins)
    tiles = padded.unfold(1, 6, 4).unfold(2, 6, 4).permute(4, 5, 0, 1, 2, 3).reshape(36, -1)
    seen = (_twice(_OF_TILE) @ tiles).view(36, -1, channels)
    products = torch.bmm(seen, transformed).view(36, -1)
    outputs = (_twice(_OF_PRODUCT) @ products).view(4, 4, count, rows, columns, -1)
    whole = outputs.permute(2, 3, 0, 4, 1, 5).reshape(count, 4 * rows, 4 * columns, -1)
    return whole[:, :height, :width]


def _twice(of_line: tuple[tuple[int, ...], ...]) -> Tensor:
    """What is done to lines, done to rows and to columns."""
    matrix = torch.tensor(of_line, dtype=torch.float32)
    return torch.kron(matrix, matrix)
