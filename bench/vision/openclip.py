"""Image-text networks of open_clip: found or refused, tested, and never with random weights."""

import itertools
import json
import logging
import unicodedata
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import huggingface_hub as hub
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional

from bench.errors import NO_PROMPT, BenchError, Unscored, nearest, need_side
from bench.storage import fingerprint
from bench.vision import weights
from bench.vision.backbones import Phrase, in_batches
from bench.vision.identity import normalise, scale_short_side
from bench.vision.lpips import MIN_SIDE_PX
from bench.vision.weights import WeightsMissing

log = logging.getLogger(__name__)

TOY_FOLDER = Path(__file__).parent / "toy_network"
"""A small network that knows the toy world and nothing else; see its card.md."""

_LOCAL, _HUB = "local-dir:", "hf-hub:"
_HUB_FILES = ["open_clip_model.safetensors", "open_clip_pytorch_model.bin"]
_REACH_TIMEOUT_S = 10.0

_OPENAI_SIDE_PX = 224

_AESTHETIC_SHA256 = "2cd4e60f4f24ae3bcd57b847b13c1f3ba27edc28cc1a7f9ce74ee9f421243cba"
_AESTHETIC_URL = (
    "https://raw.githubusercontent.com/LAION-AI/aesthetic-predictor/main/sa_0_4_vit_l_14_linear.pth"
)

# The self-test: plain pictures, and the words for them.
_PLAIN = {
    "red": (255, 0, 0),
    "green": (0, 160, 0),
    "blue": (0, 0, 255),
    "yellow": (255, 230, 0),
    "black": (0, 0, 0),
    "white": (255, 255, 255),
}


@dataclass(eq=False)
class OpenClip:
    """A network of the open_clip package, with its own preprocessing and tokenizer, in float32."""

    # An architecture of open_clip (`ViT-B-32`), `local-dir:FOLDER` for a folder with
    # `open_clip_config.json` and weights, or `hf-hub:OWNER/REPOSITORY`.
    name: str
    pretrained: str | None = None  # of an architecture: a tag of open_clip, or a weight file
    multilingual: bool = False  # whether it was trained on more than English
    batch_size: int = 32  # frames per forward pass; changes memory and speed, not values
    fingerprint: str = field(default="", init=False)

    general = True

    def __post_init__(self) -> None:
        self._model = self.name
        self._device = torch.device("cpu")
        self._phrases: dict[str, Phrase] = {}

    def load(self, device: torch.device) -> None:
        """Load the weights onto `device` and pass the self-test."""
        import open_clip  # with transformers and torchvision: longer to import than torch

        with _root_logger_left_alone():
            self._network, self._preprocess, self._tokenizer = create(self._model, self.pretrained)
            described = open_clip.get_model_config(self._model)
        self._network.requires_grad_(False).eval().to(device)
        self._device = device
        self.fingerprint = fingerprint(
            {
                "architecture": described,
                "multilingual": self.multilingual,
                "preprocessing": self._network.visual.preprocess_cfg,
                "weights": weights.digest(self._network.state_dict()),
            }
        )
        self.check()

    def check(self) -> None:
        """The self-test: six plain pictures must pair best with the names of their colours.

        There are 720 ways to pair them; untrained weights find the right one by luck only. This
        needs no published value of each network there is, and so it tells trained from
        untrained, not one training from another: that is what the fingerprint is for.
        """
        pictures = np.array(list(_PLAIN.values()), np.uint8)[:, None, None, :]
        images = self.embed_images(np.tile(pictures, (1, 64, 64, 1)))
        phrases = [self.embed_text(f"a plain {name} picture").vector for name in _PLAIN]
        cosines = images @ np.stack(phrases).T
        own = range(len(_PLAIN))
        best = max(itertools.permutations(own), key=lambda order: cosines[own, order].sum())
        if best != tuple(own):
            raise BenchError(
                f"{self.name} failed its self-test: it cannot tell {', '.join(_PLAIN)} apart, "
                "so its weights are untrained or damaged: remove them from the cache, or name "
                "others with text.pretrained=PATH"
            )

    @torch.inference_mode()
    def embed_text(self, text: str) -> Phrase:
        """Embed a text; the same text is embedded once, however many clips it has.

        Unscored if it has no visible character, or is in a script that the network was not
        trained on.
        """
        if text not in self._phrases:
            if not any(_visible(character) for character in text):
                raise Unscored(NO_PROMPT)
            if not (self.multilingual or _is_latin(text)):
                raise Unscored(
                    f"{self.name} knows English and the prompt is in another script: "
                    "add text=multilingual"
                )
            tokens = self._tokenizer([text]).to(self._device)
            vector = _units(self._network.encode_text(tokens))[0]
            phrase = Phrase(vector, _count(self._tokenizer, text), tokens.shape[1])
            if phrase.tokens > phrase.room:
                counts = (phrase.room, phrase.tokens)
                log.warning("%s reads %d of the %d tokens of %r", self.name, *counts, text)
            self._phrases[text] = phrase
        return self._phrases[text]

    @torch.inference_mode()
    def embed_images(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Unit vectors, float32 `[T, D]`, of uint8 `[T, H, W, 3]`, RGB, of any size."""

        def prepare(frame: NDArray[np.uint8]) -> Tensor:
            return self._preprocess(Image.fromarray(frame))

        batches = in_batches(frames, self.batch_size, prepare)
        encode = self._network.encode_image
        return np.concatenate([_units(encode(images.to(self._device))) for images in batches])


class ToyClip(OpenClip):
    """Scores adherence on suites of the toy world, where no download is needed.

    `folder` is what `tools.toy_network` wrote.
    """

    general = False

    def __init__(self, folder: str | Path = TOY_FOLDER, batch_size: int = 32) -> None:
        super().__init__(f"local-dir:{folder}", batch_size=batch_size)
        self.name = "toy"
        self.folder = Path(folder)

    def embed_text(self, text: str) -> Phrase:
        """As any network; Unscored also if the text has a word that is not the toy grammar's."""
        tokenizer = self._tokenizer.tokenizer
        if tokenizer.unk_token in tokenizer(self._tokenizer.clean_fn(text)).tokens():
            raise Unscored("the toy network knows only the words of the toy world")
        return super().embed_text(text)

    def check(self) -> None:
        """The self-test: a known picture and text must have the known cosine."""
        golden = json.loads((self.folder / "golden.json").read_text("utf-8"))["cosine"]
        weights.check_golden("the toy network", self.golden(), golden, tolerance=1e-3)

    def golden(self) -> float:
        """Cosine between a red disc on green, made by integer arithmetic, and its description."""
        y, x = np.mgrid[0:128, 0:128]
        inside = (x - 64) ** 2 + (y - 64) ** 2 < 18**2
        disc = np.where(inside[..., None], (220, 30, 30), (60, 140, 50)).astype(np.uint8)
        phrase = self.embed_text("a red ball rests on green grass")
        return float(self.embed_images(disc[None])[0] @ phrase.vector)


@dataclass(eq=False)
class VbenchClip:
    """OpenAI's CLIP ViT-B/32 (Radford et al., ICML 2021), in float32, as VBench feeds it.

    Every frame is scaled to a short side of 224 (bicubic, no antialias, not rounded), its centre
    cut out, and normalised by CLIP's mean and deviation. VBench itself computes in half precision
    on a GPU.
    """

    path: str | None = None  # OpenAI's file; None to look in the usual places
    batch_size: int = 32  # frames per forward pass; changes memory and speed, not values
    fingerprint: str = field(default="", init=False)

    architecture: ClassVar[str] = "ViT-B/32"
    role: ClassVar[str] = "vbench_clip"

    def load(self, device: torch.device) -> None:
        """Load the weights onto `device`; the file must be OpenAI's, bit for bit."""
        import open_clip

        url = open_clip.get_pretrained_url(self.architecture.replace("/", "-"), "openai")
        file = weights.find(
            f"CLIP {self.architecture}",
            url,
            path=self.path,
            sha256=Path(url).parent.name,  # OpenAI's addresses tell it whole
            remedy=f"download {url} and set metrics.backbones.{self.role}.path=FILE",
        )
        self._network = _read_openai(file).visual.requires_grad_(False).eval().to(device)
        self._device = device
        self.fingerprint = weights.digest(self._network.state_dict())

    @torch.inference_mode()
    def encode(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Unit vectors, float32 `[T, D]`, of uint8 `[T, H, W, 3]`, RGB, of any size.

        D is 512 for ViT-B/32, 768 for ViT-L/14.

        Unscored if the shorter side is under 32 pixels.
        """
        need_side(frames.shape[1:3], MIN_SIDE_PX, "CLIP")
        batches = in_batches(frames, self.batch_size, self._prepare)
        return np.concatenate([_units(self._network(images)) for images in batches])

    def _prepare(self, frame: NDArray[np.uint8]) -> Tensor:
        """One frame `[H, W, 3]` as the network reads it, `[3, 224, 224]`."""
        import open_clip

        side = _OPENAI_SIDE_PX
        image = scale_short_side(frame, self._device, side, "bicubic")
        top, left = (round((length - side) / 2) for length in image.shape[1:])
        centre = image[..., top : top + side, left : left + side]
        return normalise(centre, open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD)


@dataclass(eq=False)
class VbenchAesthetic(VbenchClip):
    """LAION's aesthetic predictor (Schuhmann, 2022): a line through CLIP ViT-L/14's embeddings.

    It was fitted to ratings, 0 to 10, of pictures; frames reach it as VBench feeds them.
    """

    head: str | None = None  # LAION's file of 4 kB; None to look in the usual places

    architecture: ClassVar[str] = "ViT-L/14"
    role: ClassVar[str] = "vbench_aesthetic"

    def load(self, device: torch.device) -> None:
        """Load both files onto `device`; each must be the published one, bit for bit."""
        super().load(device)
        name = "LAION's aesthetic predictor"
        file = weights.find(
            name,
            _AESTHETIC_URL,
            path=self.head,
            sha256=_AESTHETIC_SHA256,
            remedy=f"download {_AESTHETIC_URL} and set metrics.backbones.{self.role}.head=FILE",
        )
        line = torch.nn.Linear(768, 1)
        weights.install(weights.read(file, name), line, file, name)
        self._line = line.requires_grad_(False)
        self.fingerprint = fingerprint([self.fingerprint, weights.digest(line.state_dict())])

    @torch.inference_mode()
    def ratings(self, encoded: NDArray[np.float32]) -> NDArray[np.float32]:
        """How frames would be rated, float32 `[T]`, about 0..10, of what `encode` made of them."""
        ratings: NDArray[np.float32] = self._line(torch.from_numpy(encoded))[:, 0].numpy()
        return ratings


def _read_openai(file: Path) -> Any:  # noqa: ANN401 - open_clip has no types
    import open_clip

    with warnings.catch_warnings():
        # The file is a TorchScript archive; torch discourages its reader.
        warnings.simplefilter("ignore", DeprecationWarning)
        return open_clip.load_openai_model(str(file), precision="fp32", device="cpu")


Preprocess = Callable[[Image.Image], Tensor]


def create(name: str, pretrained: str | None) -> tuple[Any, Preprocess, Any]:
    """A network with trained weights, its preprocessing and its tokenizer.

    WeightsMissing if they would have to be downloaded, and cannot be.
    """
    import open_clip

    source = _source(name, pretrained)
    if source is not None:
        _reach(name, source)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message="QuickGELU mismatch")
            network, preprocess = open_clip.create_model_from_pretrained(name, pretrained)
    except UserWarning:
        raise BenchError(
            f"{name} and its weights {pretrained!r} were trained with different activations: "
            f"use name={name}-quickgelu"
        ) from None
    except Exception as error:  # whatever the readers of hubs and weight files raise
        if source is not None:
            raise _missing(name, source, error) from None
        raise BenchError(
            f"{pretrained or name}: expected weights of {name}, but {_one_line(error)}"
        ) from None
    try:
        tokenizer = open_clip.get_tokenizer(name)
    except Exception as error:  # as above
        raise _missing(f"{name}'s tokenizer", source or name, error) from None
    return network, preprocess, tokenizer


def _source(name: str, pretrained: str | None) -> str | None:
    """The place on the net that holds the weights; None if they lie in a file or folder."""
    if name.startswith(_HUB):
        return name.removeprefix(_HUB)
    if name.startswith(_LOCAL):
        folder = Path(name.removeprefix(_LOCAL))
        if not (folder / "open_clip_config.json").is_file():
            raise BenchError(f"expected open_clip_config.json in {folder}, there is none")
        return None
    import open_clip

    known = open_clip.list_models()
    if name not in known:
        raise BenchError(
            f"open_clip has no network {name!r}{nearest(name, known)}; "
            "give one of its names, local-dir:FOLDER or hf-hub:OWNER/REPOSITORY"
        )
    tag = open_clip.get_pretrained_cfg(name, pretrained or "")
    if tag:
        return str(tag["hf_hub"] or tag["url"])
    if pretrained is None or not Path(pretrained).is_file():
        tags = open_clip.list_pretrained_tags_by_model(name)
        raise BenchError(
            f"{name}: expected pretrained to be a weight file or a tag, got {pretrained!r}"
            f"{nearest(pretrained or '', tags)}; its tags are {', '.join(tags)}"
        )
    return None


def _reach(name: str, source: str) -> None:
    """WeightsMissing if the weights are not in the cache and the hub cannot be reached.

    It is asked once: its own retries would keep a machine without a connection for a minute.
    """
    if source.startswith("http"):
        return
    owner, repository, file = (*source.rstrip("/").split("/"), "")[:3]
    files = [file, f"{Path(file).stem}.safetensors"] if file else _HUB_FILES
    repository = f"{owner}/{repository}"
    if any(isinstance(hub.try_to_load_from_cache(repository, file), str) for file in files):
        return
    try:
        hub.get_hf_file_metadata(hub.hf_hub_url(repository, files[0]), timeout=_REACH_TIMEOUT_S)
    except hub.errors.EntryNotFoundError:
        return  # reached; the weights have one of the other names
    except Exception as error:  # whatever its transport raises
        raise _missing(name, source, error) from None


def _missing(what: str, source: str, error: Exception) -> WeightsMissing:
    return WeightsMissing(
        f"{what}: weights not found in {hub.constants.HF_HUB_CACHE} or by download of "
        f"{source.rstrip('/')} ({_one_line(error)}): where there is a connection, run "
        "`hf download` for it and copy the cache, or name a file with text.pretrained=PATH"
    )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__


def _count(tokenizer: Any, text: str) -> int:  # noqa: ANN401 - open_clip's tokenizers share no base
    """Tokens of the whole text, with the marks of its beginning and end."""
    import open_clip

    if isinstance(tokenizer, open_clip.SimpleTokenizer):
        return len(tokenizer.encode(text)) + 2
    return len(tokenizer.tokenizer(tokenizer.clean_fn(text), verbose=False).input_ids)


def _visible(character: str) -> bool:
    """Neither a control character, nor unassigned, nor a kind of space."""
    return unicodedata.category(character)[0] not in "CZ"


def _is_latin(text: str) -> bool:
    """Whether at least half of the letters are Latin."""
    letters = [character for character in text if character.isalpha()]
    latin = sum(unicodedata.name(letter, "").startswith("LATIN") for letter in letters)
    return 2 * latin >= len(letters)


def _units(vectors: Tensor) -> NDArray[np.float32]:
    units: NDArray[np.float32] = functional.normalize(vectors.float(), dim=-1).cpu().numpy()
    return units


@contextmanager
def _root_logger_left_alone() -> Iterator[None]:
    """open_clip logs through the root logger, which would make it print everything twice."""
    silent = logging.NullHandler()
    logging.getLogger().addHandler(silent)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(silent)
