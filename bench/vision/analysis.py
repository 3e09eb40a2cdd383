"""Analysis: one clip's evidence, computed when first asked for and shared by all metrics."""

from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable, Sequence
from contextlib import suppress
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.clip import Clip, Streamed
from bench.errors import Unscored, need_frames
from bench.prompts import Prompt
from bench.video import crop_to, read_image
from bench.vision.backbones import Backbone, Backbones, Phrase, TextNetwork
from bench.vision.flow import FlowField, FlowMethod, consistent, pull_all_back
from bench.vision.heap import give_back_holes
from bench.vision.identity import IdentityNetwork
from bench.vision.lpips import Compared, Layers, Lpips
from bench.vision.views import REDUCED_SIDE_PX, WORKING_SIDE_PX, Views, look, reduced

if TYPE_CHECKING:
    from bench.vision.cuts import CutMethod

STEP_S = 1 / 8
LAGS_S = (0.25, 0.5, 1.0, 2.0, 4.0)

HALVED_ABOVE_PX = 128
"""Short side of frames whose features take half the memory, which changes D by 1e-6."""

BLOCK = 16
"""Frames, or pairs of frames, whose evidence is computed together."""

LARGE_BYTES = 3 * 2**28
"""Of features, patches and flow, this much is kept; what is dropped is computed anew."""

EVERY_FRAME = ("identity", "vbench_dino", "vbench_clip", "vbench_aesthetic")
"""Roles whose networks see every frame as generated."""

FEATURE_BYTES = 40
"""Of a pixel's LPIPS features, 20, and of what else is kept beside them."""

_HOLES_BYTES = 2**28  # so much is dropped before the holes that it leaves are looked for

T = TypeVar("T")
Rows = Sequence[Any]


class Analysis:
    """What the metrics know of one clip.

    Small evidence is kept for as long as this object lives, large evidence (features, patches,
    flow) while it fits into `LARGE_BYTES`, the sizes at which the clip is seen taken together. Some
    130 frames of any resolution do, and then every picture passes every backbone once; a clip of a
    minute is gone through block by block, and flow that is asked for again is computed again.

    Args:
        clip: the clip.
        prompt: what was asked for.
        backbones: where evidence comes from.
        suite: all prompts of the suite, this one among them.
        base: what the model that this one is a variant of made of the same draw, if it is at hand.
        roles: backbones that will be asked; of `EVERY_FRAME`, each sees a clip that is streamed
            while it is decoded for all others.
        whole: the analysis of which this is the smaller view, see `reduced`; None if it is none.
    """

    def __init__(
        self,
        clip: Clip,
        prompt: Prompt,
        backbones: Backbones,
        suite: Sequence[Prompt] = (),
        base: "Analysis | None" = None,
        roles: Collection[str] = (),
        whole: "Analysis | None" = None,
    ) -> None:
        self.clip = clip
        self.side_px = WORKING_SIDE_PX if whole is None else REDUCED_SIDE_PX
        self.base = base
        self.prompt = prompt
        self.suite = suite
        self._backbones = backbones
        self._embedded: dict[int, NDArray[np.float32]] = {}
        self._known: dict[Hashable, Any] = {}
        self._small = _Blocks(np.inf)
        self._whole = whole or self
        self._large: _Blocks = _Blocks(LARGE_BYTES) if whole is None else whole._large
        self._is_streamed = isinstance(clip.frames, Streamed)
        self._roles = [role for role in EVERY_FRAME if role in roles]

    def once(self, key: Hashable, compute: Callable[[], T]) -> T:
        """What `compute` returns, remembered under `key` for all who ask again."""
        if key not in self._known:
            self._known[key] = compute()
        return cast("T", self._known[key])

    def along(
        self, key: Hashable, lag: int, compute: Callable[[slice], Rows], part: slice | None = None
    ) -> list[NDArray[Any]]:
        """Small evidence of all frames t that have one `lag` later, computed block by block, once.

        Args:
            key: what it is called, together with the lag.
            lag: frames; 0 for evidence of single frames.
            compute: arrays `[N, ...]`, the evidence of N such frames that follow each other.
            part: which of them are asked for; None for all.

        Raises:
            Unscored: if there is no such frame.
        """
        count = self.pairs(lag)
        return list(self._small.get((key, lag), part or slice(0, count), count, compute))

    def _along(
        self, key: str, lag: int, compute: Callable[[slice], Sequence[Tensor]], part: slice
    ) -> list[Tensor]:
        """Large evidence, likewise, where the networks are; what was dropped is computed anew."""
        return list(self._large.get((self.side_px, key, lag), part, self.pairs(lag), compute))

    @property
    def step(self) -> int:
        """s: frames per time step, so that a pair (t, t + s) spans about 1/8 s at any rate."""
        return max(1, round(self.clip.fps * STEP_S))

    @cached_property
    def _views(self) -> Views:
        networks = {}
        for role in self._roles:
            with suppress(Unscored):  # whoever asks for it will hear
                networks[role] = cast("IdentityNetwork", self.backbone(role))
        return look(self.clip.frames, networks)

    @cached_property
    def frames(self) -> NDArray[np.uint8]:
        """Working frames, uint8 `[T, h, w, 3]`: short side 256, area filter, never enlarged."""
        smaller = self._whole._views.smaller.get(self.side_px)
        return reduced(self.clip.frames, self.side_px) if smaller is None else smaller

    @property
    def changes(self) -> NDArray[np.float64]:
        """Mean absolute difference of adjacent frames as generated, grey levels, `[T - 1]`."""
        return self._whole._views.changes

    def still(self, index: int) -> NDArray[np.uint8]:
        """A frame as generated, uint8 `[H, W, 3]`."""
        still = self._whole._views.stills.get(index) if self._is_streamed else None
        return self.clip.frames[index] if still is None else still

    def seen_by(self, role: str) -> NDArray[np.float32]:
        """What the network of a role of `EVERY_FRAME` makes of the frames as generated, `[T, D]`.

        Raises:
            Unscored: if the clip is too small, or the network has no weights.
        """

        def compute() -> NDArray[np.float32]:
            network = cast("IdentityNetwork", self.backbone(role))
            encoded = self._views.encoded.get(role) if self._is_streamed else None
            return network.encode(self.clip.frames) if encoded is None else encoded

        return self.once(("seen by", role), compute)

    def reduced(self) -> "Analysis":
        """The same clip seen with working frames of a short side of 128, if they are larger."""
        if min(self.clip.frames.shape[1:3]) <= REDUCED_SIDE_PX:
            return self
        return self.once(
            "reduced",
            lambda: Analysis(self.clip, self.prompt, self._backbones, self.suite, whole=self),
        )

    @cached_property
    def reference(self) -> NDArray[np.uint8]:
        """The conditioning image as the model was given it, uint8 `[H, W, 3]`: of the clip's size.

        Raises:
            Unscored: if the prompt has none.
        """
        if self.prompt.image is None:
            raise Unscored("no conditioning image")
        height, width = self.clip.frames.shape[1:3]
        return crop_to(read_image(self.prompt.image), height, width)

    def lpips(self, lag: int) -> NDArray[np.float64]:
        """D(x_t, x_t+lag) for every t, float64 `[T - lag]`.

        Args:
            lag: frames between the two, >= 1.

        Raises:
            Unscored: if the clip is not longer than `lag`, is too small, or has no weights.
        """
        every = slice(0, self.pairs(lag))
        self.once("walk", self._walk)
        return self._lagged(lag, every)

    def _lagged(self, lag: int, part: slice) -> NDArray[np.float64]:
        def compute(part: slice) -> Rows:
            pair = self.features(part), self.features(later(part, lag))
            return [_host(self.lpips_network.distances(*pair))]

        return self.along("lpips", lag, compute, part)[0]

    def _walk(self) -> None:
        """Where features do not fit: all that is usually asked of them, computed in one go.

        Through both halves of the clip at once, so that each frame is seen once for all lags.
        """
        count, (height, width) = len(self.frames), self._size
        if count * height * width * FEATURE_BYTES <= LARGE_BYTES:
            return
        lags = {self.step, count // 2, *(round(lag_s * self.clip.fps) for lag_s in LAGS_S)} - {0}
        evidence: list[tuple[int, Callable[[slice], object]]] = [
            *((lag, partial(self._lagged, lag)) for lag in lags),
            (self.step, partial(self.compare_warped, self.step)),
            (2 * self.step, partial(self.compare_halfway, self.step)),
        ]
        half = -(-count // (2 * BLOCK)) * BLOCK
        for start in sorted(range(0, count, BLOCK), key=lambda start: (start % half, start)):
            for lag, compute in evidence:
                part = slice(start, min(start + BLOCK, count - lag))
                if part.start < part.stop:
                    with suppress(Unscored):  # whoever asks for it will hear
                        compute(part)

    def pairs(self, lag: int) -> int:
        """How many pairs of frames are so far apart; Unscored if there are none."""
        need_frames(len(self.clip.frames), lag + 1)
        return len(self.clip.frames) - lag

    @property
    def lpips_network(self) -> Lpips:
        """The network behind `lpips`, for comparisons of other kinds.

        Raises:
            Unscored: if its weights cannot be had.
        """
        return cast("Lpips", self.backbone("lpips"))

    def features(self, part: slice) -> Layers:
        """What `lpips_network` sees in some working frames, start <= t < stop; see its `features`.

        Raises:
            Unscored: if the clip is too small, or LPIPS has no weights.
        """
        return self._along(
            "features",
            0,
            lambda part: self.lpips_network.features(self._pictures[part], self._precision),
            part,
        )

    @property
    def _precision(self) -> torch.dtype:
        """Of features: half for large frames; of small ones `coherence` takes powers."""
        return torch.float16 if min(self._size) > HALVED_ABOVE_PX else torch.float32

    def patches(self, part: slice) -> Tensor:
        """What is seen at each place of some working frames; see `Lpips.patches`.

        Raises:
            Unscored: as `features`.
        """
        return self._along(
            "patches", 0, lambda part: [self.lpips_network.patches(self.features(part))], part
        )[0]

    @cached_property
    def lpips_to_reference(self) -> NDArray[np.float64]:
        """D(reference, x_t) for every t, float64 `[T]`.

        Raises:
            Unscored: if there is no conditioning image, the clip is too small, or no weights.
        """
        picture = torch.from_numpy(reduced(self.reference[None], self.side_px))
        reference = self.lpips_network.features(picture)

        def compute(part: slice) -> Rows:
            return [_host(self.lpips_network.distances(reference, self.features(part)))]

        return self.along("to reference", 0, compute)[0]

    def image_embeddings(self, indices: NDArray[np.intp]) -> NDArray[np.float32]:
        """Unit vectors of the image-text network, float32 `[N, D]`; each frame is embedded once.

        Args:
            indices: int `[N]`, which frames; as generated, since the network scales for itself.

        Raises:
            Unscored: if the network's weights cannot be had.
        """
        missing = [t for t in indices.tolist() if t not in self._embedded]
        if missing:
            vectors = self._text.embed_images(np.stack([self.still(t) for t in missing]))
            self._embedded.update(zip(missing, vectors, strict=True))
        return np.stack([self._embedded[t] for t in indices.tolist()])

    def phrase(self, text: str) -> Phrase:
        """A text as the image-text network reads it.

        Raises:
            Unscored: if the network cannot read the text, or its weights cannot be had.
        """
        return self._text.embed_text(text)

    def flow(self, stride: int, part: slice | None = None) -> FlowField:
        """Flow both ways between frames t and t + stride.

        Args:
            stride: frames between the two.
            part: which t, start <= t < stop; None for all there are, which are as large as the clip
                is long.

        Raises:
            Unscored: if the clip is not longer than `stride`, or too small.
        """
        part = part or slice(0, self.pairs(stride))
        flows = *self._flows(stride, part), self._valid(stride, part)
        return FlowField(stride, *map(_host, flows))

    def _flows(self, stride: int, part: slice) -> list[Tensor]:
        """Forward and backward of `flow`, where the networks are."""

        def compute(part: slice) -> list[Tensor]:
            first, second = self._flow_encoded(part), self._flow_encoded(later(part, stride))
            return [
                self._flow.flows(*pair, self._size).to(self._backbones.device)
                for pair in ((first, second), (second, first))
            ]

        return self._along("flow", stride, compute, part)

    def _valid(self, stride: int, part: slice) -> Tensor:
        """Valid of `flow`, where the networks are."""
        return self._along(
            "valid", stride, lambda part: [consistent(*self._flows(stride, part))], part
        )[0]

    def flow_between(self, first: int, second: int) -> NDArray[np.float32]:
        """Flow from one frame to any other, float32 `[H, W, 2]`, pixels."""
        start, end = (self._flow_encoded(slice(t, t + 1)) for t in (first, second))
        onward: NDArray[np.float32] = _host(self._flow.flows(start, end, self._size))[0]
        return onward

    def warped(self, stride: int, part: slice) -> Tensor:
        """W(x_t+stride, f): some frames as the one `stride` later shows them, bilinear.

        Returns:
            float32 `[N, h, w, 3]`, 0..255, not rounded, for the N frames t of `part`.

        Raises:
            Unscored: as `flow`.
        """
        return pull_all_back(self._pictures[later(part, stride)], self._flows(stride, part)[0])

    def compare_warped(self, stride: int, part: slice | None = None) -> Compared:
        """Frames x_t with W(x_t+stride, f); distances over valid pixels. N = T - stride.

        Raises:
            Unscored: as `flow`, or LPIPS has no weights.
        """

        def compute(part: slice) -> Rows:
            return self.compare(part, self.warped(stride, part), self._valid(stride, part))

        return Compared(*self.along("compare warped", stride, compute, part))

    def compare_warped_back(self, stride: int, part: slice | None = None) -> Compared:
        """Frames x_t+stride with W(x_t, b), over all pixels. N = T - stride.

        Raises:
            Unscored: as `flow`, or LPIPS has no weights.
        """

        def compute(part: slice) -> Rows:
            warped = pull_all_back(self._pictures[part], self._flows(stride, part)[1])
            return self.compare(later(part, stride), warped)

        return Compared(*self.along("compare warped back", stride, compute, part))

    def compare_halfway(self, stride: int, part: slice | None = None) -> Compared:
        """Frames x_t+stride with M_t+stride. N = T - 2 stride.

        M_t = 1/2 [W(x_t-stride, b/2) + W(x_t+stride, a/2)], each neighbour warped half-way to
        the other (bicubic), where a is the flow from t - stride to t + stride and b back.

        Raises:
            Unscored: as `flow`, or LPIPS has no weights.
        """

        def compute(part: slice) -> Rows:
            there, back = self._flows(2 * stride, part)
            forth = pull_all_back(self._pictures[part], back / 2, cubic=True)
            last = self._pictures[later(part, 2 * stride)]
            middle = forth.add_(pull_all_back(last, there / 2, cubic=True)).mul_(0.5)
            # Cubic interpolation overshoots.
            return self.compare(later(part, stride), middle.clamp_(0, 255))

        return Compared(*self.along("compare halfway", 2 * stride, compute, part))

    def compare(
        self, part: slice, made: Tensor | NDArray[np.float32], valid: Tensor | None = None
    ) -> Compared:
        """Some frames with as many pictures made from the clip, by LPIPS; see `Lpips.compare`.

        Raises:
            Unscored: if the clip is too small, or LPIPS has no weights.
        """
        pictures = torch.as_tensor(made)
        compared = self.lpips_network.compare(self.features(part), pictures, valid)
        return Compared(*map(_host, compared))

    @cached_property
    def _pictures(self) -> Tensor:
        """The working frames where the networks are: they travel once."""
        return torch.from_numpy(self.frames).to(self._backbones.device)

    @cached_property
    def identity(self) -> NDArray[np.float32]:
        """Who is seen: unit vectors `[T, D]` of frames as generated, which the network scales.

        Raises:
            Unscored: if the clip is too small, or the network has no weights.
        """
        return self.seen_by("identity")

    @cached_property
    def likeness_to_reference(self) -> NDArray[np.float64]:
        """Cosine between the embeddings of the reference and of each frame, float64 `[T]`.

        Raises:
            Unscored: if there is no conditioning image, or as `identity`.
        """
        reference = self._identity.encode(self.reference[None])[0]
        cosines: NDArray[np.float64] = self.identity.astype(np.float64) @ reference
        return cosines

    def likeness(self, lag: int) -> float:
        """Mean over t of the cosine between the embeddings of frames t and t + lag.

        Raises:
            Unscored: if the clip is not longer than `lag`, or as `identity`.
        """
        need_frames(len(self.clip.frames), lag + 1)
        frames = self.identity.astype(np.float64)
        return float((frames[:-lag] * frames[lag:]).sum(axis=1).mean())

    @cached_property
    def cut_probabilities(self) -> NDArray[np.float64]:
        """How likely it is that a cut follows each frame, float64 `[T]`.

        Raises:
            Unscored: if the cut detector has no weights, or the clip is too short or small.
        """
        return cast("CutMethod", self.backbone("cuts")).probabilities(self.frames)

    def backbone(self, name: str) -> Backbone:
        """The backbone that fills a role, loaded.

        Raises:
            Unscored: if none does, or its weights cannot be had.
        """
        return self._backbones.get(name)

    @property
    def _identity(self) -> IdentityNetwork:
        return cast("IdentityNetwork", self.backbone("identity"))

    @property
    def _text(self) -> TextNetwork:
        return cast("TextNetwork", self._backbones.get("text"))

    @property
    def _size(self) -> tuple[int, int]:
        return self.frames.shape[1], self.frames.shape[2]

    @property
    def _flow(self) -> FlowMethod:
        return cast("FlowMethod", self.backbone("flow"))

    def _flow_encoded(self, part: slice) -> list[Tensor]:
        return self._along("encoded", 0, lambda part: self._flow.encode(self._pictures[part]), part)


class _Blocks:
    """Evidence along time in blocks, computed when asked for; those asked for last are kept.

    Args:
        most_bytes: how much is kept.
    """

    def __init__(self, most_bytes: float) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._dropped_bytes = 0  # since holes in the heap were given back
        self._blocks: OrderedDict[Hashable, Rows] = OrderedDict()

    def get(self, key: Hashable, part: slice, count: int, compute: Callable[[slice], Rows]) -> Rows:
        """Evidence of `part`, which ends within 0..count and may be empty; see `Analysis.along`."""
        pieces = []
        for start in range(part.start - part.start % BLOCK, part.stop, BLOCK) or (0,):
            whole = self._block((key, start), slice(start, min(start + BLOCK, count)), compute)
            inside = slice(max(0, part.start - start), max(0, part.stop - start))
            pieces.append([rows[inside] for rows in whole])
        if len(pieces) == 1:
            return pieces[0]
        return [_joined(rows) for rows in zip(*pieces, strict=True)]

    def _block(self, key: Hashable, part: slice, compute: Callable[[slice], Rows]) -> Rows:
        if key in self._blocks:
            self._blocks.move_to_end(key)
            return self._blocks[key]
        block = compute(part)
        self._blocks[key] = block
        self._bytes += sum(rows.nbytes for rows in block)
        while self._bytes > self._most_bytes and len(self._blocks) > 1:
            _, oldest = self._blocks.popitem(last=False)
            size = sum(rows.nbytes for rows in oldest)
            self._bytes -= size
            self._dropped_bytes += size
        if self._dropped_bytes > _HOLES_BYTES:
            give_back_holes()
            self._dropped_bytes = 0
        return block


def _joined(rows: tuple[Any, ...]) -> Any:  # noqa: ANN401 - of arrays an array, of tensors a tensor
    return torch.cat(rows) if isinstance(rows[0], Tensor) else np.concatenate(rows)


def _host(values: Tensor) -> NDArray[Any]:
    """As numpy has it: the same memory on a CPU, a copy from elsewhere."""
    array: NDArray[Any] = values.cpu().numpy()
    return array


def later(part: slice, frames: int) -> slice:
    """The part of a clip so many frames after another."""
    return slice(part.start + frames, part.stop + frames)
