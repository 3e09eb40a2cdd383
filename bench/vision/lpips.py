"""LPIPS v0.1 (AlexNet) with every frame's features computed once and compared many times."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from bench.errors import need_side
from bench.vision import weights
from bench.vision.winograd import Convolution3x3

MIN_SIDE_PX = 32  # below this AlexNet's second pooling has nothing left to pool

# LPIPS between the two frames of `golden_frames`, with the published weights.
_GOLDEN = 0.78091
_GOLDEN_TOLERANCE = 1e-4

# Of torchvision's AlexNet: index of a convolution to its arguments, and those after a max-pooling.
_CONVOLUTIONS = {
    0: (3, 64, 11, 4, 2),
    3: (64, 192, 5, 1, 2),
    6: (192, 384, 3, 1, 1),
    8: (384, 256, 3, 1, 1),
    10: (256, 256, 3, 1, 1),
}
_POOLED = (3, 6)
_HEADS = "weights/v0.1/alex.pth"

BATCH_PX = 2**19  # of all frames of a forward pass: what they become should stay in the cache
PART_VALUES = 2**16  # of features that a CPU takes through several steps at once, likewise

Layers = Sequence[Tensor]
"""Of frames one after the other, what each layer makes of them; see `Lpips.features`."""


class _Trunk(torch.nn.Module):
    """AlexNet's convolutions, in five slices."""

    def __init__(self) -> None:
        super().__init__()
        for number, (index, arguments) in enumerate(_CONVOLUTIONS.items(), 1):
            layers: OrderedDict[str, torch.nn.Module] = OrderedDict()
            if index in _POOLED:
                layers[str(index - 1)] = torch.nn.MaxPool2d(3, 2)
            if arguments[2:] == (3, 1, 1):
                layers[str(index)] = Convolution3x3(*arguments[:2])
            else:
                layers[str(index)] = torch.nn.Conv2d(*arguments)
            layers[str(index + 1)] = torch.nn.ReLU(inplace=True)
            self.add_module(f"slice{number}", torch.nn.Sequential(layers))

    def forward(self, batch: Tensor) -> list[Tensor]:
        """What each slice makes of scaled frames `[N, 3, H, W]`."""
        layers = []
        for part in self.children():
            batch = part(batch)
            layers.append(batch)
        return layers


class _Network(torch.nn.Module):
    """Trunk and heads, named as in the `lpips` package, so that they have one digest.

    The package itself imports torchvision, and with it torch._dynamo: as long as torch takes.
    """

    def __init__(self) -> None:
        super().__init__()
        self.net = _Trunk()
        self.scaling_layer: Any = torch.nn.Module()
        for name, values in (("shift", (-0.030, -0.088, -0.188)), ("scale", (0.458, 0.448, 0.450))):
            self.scaling_layer.register_buffer(name, torch.tensor(values)[None, :, None, None])
        self.lins = torch.nn.ModuleList()
        for number, arguments in enumerate(_CONVOLUTIONS.values()):
            head = torch.nn.Module()
            weight = torch.nn.Conv2d(arguments[1], 1, 1, bias=False)
            head.model = torch.nn.Sequential(torch.nn.Dropout(), weight)
            self.lins.append(head)
            self.add_module(f"lin{number}", head)

    def forward(self, frames: Tensor) -> list[Tensor]:
        """Features of frames `[N, H, W, 3]`, 0..255, layer by layer; not of unit length yet."""
        # Row by row: an operation on a last axis of three channels is several times as slow.
        width = frames.shape[2]
        gain = 1 / (127.5 * self.scaling_layer.scale)
        offset = -(1 + self.scaling_layer.shift) / self.scaling_layer.scale
        rows = frames.float().contiguous().flatten(2)
        scaled = torch.addcmul(offset.flatten().repeat(width), rows, gain.flatten().repeat(width))
        layers: list[Tensor] = self.net(scaled.view(frames.shape).permute(0, 3, 1, 2))
        return layers


class Compared(NamedTuple):
    """Distances between frames of a clip and frames made from it; tensors or arrays.

    Attributes:
        distances: float64 `[N]`, D over the pixels that count; NaN where none does.
        cells: float32 `[N, h, w]`, D over all pixels, place by place; see `Lpips.cells`.
    """

    distances: Any
    cells: Any


class Lpips:
    """Learned perceptual image patch similarity, split into features and distance.

    Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric",
    CVPR 2018; network and linear heads are those of the `lpips` package, version 0.1.

    With y_l the unit-normalised activations of layer l and w_l >= 0 its head,
    D(a, b) = sum_l mean_hw sum_c w_lc (y_lc(a) - y_lc(b))^2. The heads are folded into the
    features as sqrt(w), so that D is a squared distance between stored features.

    Args:
        trunk: path of an AlexNet state dict; None to look in the usual places.
        batch_size: frames per forward pass; changes memory and speed, not values.
    """

    def __init__(self, trunk: str | None = None, batch_size: int = 16) -> None:
        self.trunk = trunk
        self.batch_size = batch_size
        self.fingerprint = ""
        self._device = torch.device("cpu")

    def load(self, device: torch.device) -> None:
        """Load the weights onto `device` and pass the self-test.

        Raises:
            WeightsMissing: if the trunk's weights are nowhere to be found.
            BenchError: if the self-test fails.
        """
        trunk = weights.alexnet_features(self.trunk)
        file = weights.package_file("lpips", _HEADS)
        if file is None:
            raise weights.WeightsMissing("LPIPS heads not found: pip install lpips")
        heads = weights.read(file, "LPIPS")
        self._net = _Network()
        state = {
            f"net.slice{number}.{index}.{kind}": trunk[f"features.{index}.{kind}"]
            for number, index in enumerate(_CONVOLUTIONS, 1)
            for kind in ("weight", "bias")
        }
        for number in range(len(_CONVOLUTIONS)):
            for name in (f"lin{number}", f"lins.{number}"):
                state[f"{name}.model.1.weight"] = heads[f"lin{number}.model.1.weight"]
        scaling = self._net.scaling_layer.state_dict(prefix="scaling_layer.")
        weights.install(state | scaling, self._net, file, "LPIPS")
        self._net.requires_grad_(False).eval().to(device)
        self._device = device
        self._root_heads = [
            self._net.get_parameter(f"lin{number}.model.1.weight").sqrt()
            for number in range(len(_CONVOLUTIONS))
        ]
        self.fingerprint = weights.digest(self._net.state_dict())
        golden = self.features(torch.from_numpy(golden_frames()))
        pair = [layer[:1] for layer in golden], [layer[1:] for layer in golden]
        weights.check_golden("LPIPS", float(self.distances(*pair)), _GOLDEN, _GOLDEN_TOLERANCE)

    @torch.inference_mode()
    def features(self, frames: Tensor, precision: torch.dtype = torch.float32) -> Layers:
        """Weighted unit features of every frame.

        Args:
            frames: uint8 or float32 `[T, H, W, 3]`, RGB, 0..255, on any device.
            precision: in which they are kept; float16 changes D by about 1e-6.

        Returns:
            One tensor `[T, C_l, H_l, W_l]` for each of the five layers.

        Raises:
            Unscored: if the shorter side is under 32 pixels.
        """
        need_side(frames.shape[1:3], MIN_SIDE_PX, "LPIPS")
        layers: list[Tensor] = []  # filled as they come: joined at the end, they are there twice
        for part in self._batches(frames):
            batch = self._layers(frames[part])
            layers = layers or [
                torch.empty(
                    (len(frames), *layer.shape[1:]),
                    dtype=precision,
                    device=layer.device,
                    memory_format=torch.channels_last,
                )
                for layer in batch
            ]
            for layer, values in zip(layers, batch, strict=True):
                layer[part] = values
        return layers

    @torch.inference_mode()
    def distances(self, first: Layers, second: Layers) -> Tensor:
        """D between the frames of two features one by one, float64 `[N]`, >= 0; 0 for equal ones.

        Either may be of a single frame, which is compared with all of the other.
        """
        return torch.stack(
            [layer.mean(dim=(1, 2)).double() for layer in self._squares(first, second)]
        ).sum(dim=0)

    @torch.inference_mode()
    def cells(self, first: Layers, second: Layers) -> Tensor:
        """D between the frames of two features one by one, place by place.

        Each layer's squared differences are averaged (area) onto `grid`, and added up: the mean
        over cells is about D.

        Returns:
            float32 `[N, h, w]`, >= 0.
        """
        return _on_grid(self._squares(first, second), self.grid(first))

    @torch.inference_mode()
    def all_distances(self, features: Layers) -> Tensor:
        """D between every two frames, float64 `[N, N]`, symmetric, >= 0 up to rounding."""
        count = len(features[0])
        total = torch.zeros(count, count, dtype=torch.float64, device=features[0].device)
        for layer in features:
            flat = layer.flatten(1).float()
            products = (flat @ flat.T).double() / (layer.shape[2] * layer.shape[3])
            lengths = products.diagonal()
            total += lengths[:, None] + lengths - 2 * products
        return total

    @staticmethod
    def grid(features: Layers) -> tuple[int, int]:
        """Rows and columns of `cells`: those of the second layer, 15x15 for 128x128 pixels."""
        return features[1].shape[2], features[1].shape[3]

    @torch.inference_mode()
    def patches(self, features: Layers) -> Tensor:
        """What is seen at each place of every frame, to be found again in others.

        The weighted features of the second layer and of the third (bilinear on the second's
        grid), each made a unit vector over channels, side by side.

        Args:
            features: what `features` returned.

        Returns:
            float32 `[T, C, h, w]`, unit vectors over C on the grid of `cells`.
        """
        second, third = features[1].float(), features[2].float()
        third = functional.interpolate(third, self.grid(features), mode="bilinear")
        parts = [functional.normalize(layer, dim=1) for layer in (second, third)]
        return torch.cat(parts, dim=1) / 2**0.5

    @torch.inference_mode()
    def compare(self, features: Layers, made: Tensor, valid: Tensor | None = None) -> Compared:
        """D between frames of a clip and frames made from it, which are seen once and not kept.

        With a mask, the squared differences of a layer are averaged with the mask's share of
        each of the layer's cells (area average) as weights.

        Args:
            features: of N frames of the clip, or of one that is compared with all.
            made: float32 `[N, H, W, 3]`, RGB, 0..255: what each is compared with.
            valid: bool `[N, H, W]`, the pixels that count; None for all of them.
        """
        distances, cells = [], []
        for part in self._batches(made):
            own = features if len(features[0]) == 1 else [layer[part] for layer in features]
            squares = self._squares(own, self._layers(made[part]))
            if valid is None:
                means = [layer.mean(dim=(1, 2)) for layer in squares]
            else:
                counts = valid[part].to(self._device).float()
                means = []
                for layer in squares:
                    grid = layer.shape[1], layer.shape[2]
                    share = area_means(counts, grid)
                    means.append((layer * share).sum(dim=(1, 2)) / share.sum(dim=(1, 2)))
            distances.append(torch.stack([mean.double() for mean in means]).sum(dim=0))
            cells.append(_on_grid(squares, self.grid(features)))
        return Compared(torch.cat(distances), torch.cat(cells))

    def _squares(self, first: Layers, second: Layers) -> list[Tensor]:
        """Squared differences `[N, H_l, W_l]`, layer by layer, summed over channels."""
        squares = []
        for a, b in zip(first, second, strict=True):
            count = max(len(a), len(b))
            lengths = torch.empty(count, *a.shape[2:], device=a.device)
            if a.device.type != "cpu":
                torch.linalg.vector_norm(a.float() - b, dim=1, out=lengths)
            else:
                rows = [_by_place(layer).expand(count, -1, -1) for layer in (a, b)]
                for length, *pair in zip(lengths.flatten(1), *rows, strict=True):
                    for part in _parts(pair[0]):
                        change = pair[0][part].float() - pair[1][part].float()
                        torch.linalg.vector_norm(change, dim=1, out=length[part])
            squares.append(lengths.square_())
        return squares

    def _batches(self, frames: Tensor) -> Iterator[slice]:
        """Parts of frames `[N, H, W, 3]`, each small enough for the processor's cache."""
        size = max(1, min(self.batch_size, BATCH_PX // (frames.shape[1] * frames.shape[2])))
        for start in range(0, len(frames), size):
            yield slice(start, start + size)

    def _layers(self, frames: Tensor) -> list[Tensor]:
        """One batch's weighted unit features, layer by layer, float32."""
        layers = [
            layer.contiguous(memory_format=torch.channels_last)
            for layer in self._net(frames.to(self._device))
        ]
        for layer, root in zip(layers, self._root_heads, strict=True):
            for picture in _by_place(layer):
                for part in _parts(picture):
                    vectors = picture[part]
                    lengths = torch.linalg.vector_norm(vectors, dim=1, keepdim=True)
                    vectors.div_(lengths.add_(1e-10)).mul_(root.flatten())
        return layers


def _by_place(layer: Tensor) -> Tensor:
    """A layer `[N, C, H, W]` as `[N, H W, C]`; no copy where the channels come last in memory."""
    return layer.permute(0, 2, 3, 1).flatten(1, 2)


def _parts(vectors: Tensor) -> Iterator[slice]:
    """Parts of vectors `[P, C]`, on a CPU each small enough for the processor's cache."""
    count = len(vectors)
    size = max(1, PART_VALUES // vectors.shape[1]) if vectors.device.type == "cpu" else count
    for start in range(0, count, size):
        yield slice(start, start + size)


def _on_grid(squares: Iterable[Tensor], grid: tuple[int, int]) -> Tensor:
    """Each layer's squared differences `[N, H_l, W_l]` averaged onto one grid, and added up."""
    return torch.stack([area_means(layer, grid) for layer in squares]).sum(dim=0)


def area_means(values: Tensor, grid: tuple[int, int]) -> Tensor:
    """Values `[N, H, W]` averaged over the area of each cell of a grid of rows and columns."""
    return functional.adaptive_avg_pool2d(values[:, None], grid)[:, 0]


def golden_frames() -> NDArray[np.uint8]:
    """Two 64x64 frames made by integer arithmetic, the same on every machine."""
    y, x = np.mgrid[0:64, 0:64]
    first = np.stack([x * 4, y * 4, (x * y) // 16], axis=-1)
    second = np.stack([(x // 8 + y // 8) % 2 * 255, (x * 4 + 80) % 256, y * 3], axis=-1)
    return np.stack([first, second]).astype(np.uint8)
