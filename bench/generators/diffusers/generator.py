"""Any pipeline of diffusers as a generator: one YAML for each model, no code for any."""

import contextlib
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import torch
from PIL import Image

from bench.clip import Clip, Sound
from bench.errors import BenchError, ClipError, UnavailableError
from bench.generators.base import (
    Duration,
    Generator,
    GeneratorInfo,
    Needs,
    Number,
    check_arguments,
    settings,
)
from bench.generators.diffusers import call as calls
from bench.generators.diffusers.hub import find_revisions
from bench.generators.diffusers.load import (
    Load,
    check_parts,
    is_modular,
    load_pipeline,
    read_back,
    resolve_class,
)
from bench.generators.diffusers.options import (
    Options,
    apply,
    check_split,
    place,
    reset_attention,
)
from bench.measure.machine import free
from bench.measure.stages import StageClock
from bench.prompts import Prompt
from bench.schema import Loaded, Task, Weights
from bench.storage import file_sha256
from bench.video import crop_to, read_image, read_video

if TYPE_CHECKING:
    from bench.generators.diffusers.random_weights import Description, Part


@dataclass(eq=False)
class DiffusersGenerator(Generator):
    """Loads a pipeline, calls it, and refuses what is no video."""

    kind = "bench.generators.diffusers.DiffusersGenerator"
    device = torch.device("cpu")

    pipeline: str  # name of its class in diffusers
    call: Mapping[str, Any]  # keyword arguments of every call, as the pipeline takes them
    # Frames per second of what it makes. Arguments of a similar name in `call` only tell some
    # models how fast things should seem to move.
    fps: Number
    repo: str | None = None  # on the hub
    path: str | None = None  # in its place, a folder that `save_pretrained` wrote
    task: Task = "t2v"  # which never gets an image; i2v must, ti2v gets one where the prompt has it
    load: Load = field(default_factory=Load)  # by its keys
    # {num_frames: NAME} and {image: NAME} where the pipeline's is another.
    inputs: Mapping[str, str] | None = None
    output: str = "frames"  # field of the answer that holds them
    frames: str | int = "any"  # which counts come back as asked; see `FrameRule.parse`
    multiple: int = 8  # of which height and width must be, in pixels
    # `height` and `width` to which images are cropped for a pipeline that takes none and follows
    # its image.
    image_size: Mapping[str, int] | None = None
    videos: Mapping[str, str] | None = None  # that drive an animation, by the pipeline's argument
    prompt_suffix: str = ""  # where a model was trained with one
    # Follow the `seconds` of prompts, by the nearest legal number of frames, up to this length;
    # None to make `call.num_frames` of every prompt.
    longest_s: Duration | None = None
    options: Options = field(default_factory=Options)  # by their keys
    weights: Weights = "real"  # or random at full size, for timing only

    def __post_init__(self) -> None:
        if self.repo is None and self.path is None:
            raise BenchError(
                "expected a model to load: add model.repo=OWNER/NAME or model.path=DIR"
            )
        check_arguments(self)
        self.fps = float(self.fps)
        self.load = settings(Load, self.load, "load")
        if self.path is not None:
            self.load = self.load.within(Path(self.path))
        self.options = settings(Options, self.options, "options")
        self.call = dict(self.call)
        if self.options.steps is not None:
            self.call["num_inference_steps"] = self.options.steps
        self.rule = calls.FrameRule.parse(self.frames)
        self._videos = {name: Path(file) for name, file in (self.videos or {}).items()}
        self._frames_key = (self.inputs or {}).get("num_frames", "num_frames")
        self._image_key = (self.inputs or {}).get("image", "image")
        self.pipe: Any = None  # there within `with`
        self.clock: StageClock | None = None
        self.revisions: dict[str, str] = {}

    @property
    def info(self) -> GeneratorInfo:
        """As configured; revisions and stages once they are there."""
        options = self.options
        # Clips of before there were batches, or teams, are the same.
        before = {
            "options.batch_size": options.batch_size == 1,
            "options.parallel": not options.parallel,
        }
        non_semantic = {key for key, same in before.items() if same}
        processes = self.team.size if self.team else options.processes
        return GeneratorInfo(
            non_semantic=frozenset(non_semantic),
            size_requested=self._size,
            weights=self.weights,
            takes_images=self.task != "t2v",
            variant=options.label,
            batch_size=options.batch_size,
            gpus=processes,
            processes=processes,
            revisions=self.revisions,
            stages=self.clock,
        )

    @property
    def source_name(self) -> str:
        """The folder or repository that the weights come from."""
        return str(self.path if self.path is not None else self.repo)

    @property
    def dtypes(self) -> dict[str, torch.dtype]:
        """Component to dtype of its weights, and `default` for the rest.

        Random weights overflow float16; bfloat16, which takes as long, replaces it.
        """
        published = self.load.dtypes(self.options.dtype)
        if self.weights == "real":
            return published
        replaced = {torch.float16: torch.bfloat16}
        return {name: replaced.get(dtype, dtype) for name, dtype in published.items()}

    @cached_property
    def description(self) -> "Description":
        """Of the networks: a folder, or the entry of `architectures.yaml` without a hub."""
        from bench.generators.diffusers.random_weights import find_description

        return find_description(self.repo, self.path, self.load.revision)

    def parts(self) -> "list[Part]":
        """Every network with its size, in seconds and without its weights."""
        from bench.generators.diffusers.random_weights import parts

        return parts(self.description, self.load, self.dtypes)

    def needs(self) -> Needs:
        """From parameters and dtypes; an estimate."""
        options = self.options
        return Needs(
            parts={part.name: part.weight_bytes for part in self.parts()},
            repo=self.repo if self.path is None and self.weights == "real" else None,
            offload=options.offload,
            quantised=options.quantise is not None,
        )

    def check(self, prompts: Sequence[Prompt]) -> None:
        """Refuse, before weights are loaded, what the pipeline would refuse or quietly change."""
        kind = resolve_class(self.pipeline, "model.pipeline")
        index = "modular_model_index.json" if is_modular(kind) else "model_index.json"
        if self.path is not None and not (Path(self.path) / index).is_file():
            raise BenchError(
                f"expected a folder that save_pretrained wrote at {self.path!r}, "
                f"it holds no {index}: type model.path=DIR"
            )
        check_parts(kind, self.load, self.options.quantised)
        calls.check_call(kind, self.call, self.inputs or {}, tuple(self._videos))
        if (frames := self.call.get(self._frames_key)) is not None:
            calls.check_frames(self.rule, self._frames_key, frames)
        if self._size is not None:
            where = "call" if self.image_size is None else "image_size"
            calls.check_size(self.image_size or self.call, self.multiple, where)
        sized = self._size is not None
        calls.check_images(kind, self.task, prompts, key=self._image_key, sized=sized)
        if torch.float16 in self.dtypes.values() and self.device.type == "cpu":
            raise UnavailableError(
                f"{self.pipeline} in float16 does not run on a CPU: "
                "type model.options.dtype=float32, or device=cuda on a machine that has a GPU"
            )
        for name, file in self._videos.items():
            if not file.is_file():
                raise BenchError(f"model.videos.{name}: expected a video, {str(file)!r} is none")
        if self.options.parallel is not None:
            from bench.generators.diffusers.random_weights import hollow

            check_split(self.options, hollow(self.description, self.load))
        if self.options.batch_size > 1:
            images = self.task != "t2v" and any(prompt.image for prompt in prompts)
            calls.check_batch(self.pipeline, self.options.batch_size, images=images)
        with _quiet():
            self.options.check(self.device, random_weights=self.weights == "random")
            if self.weights == "real":
                self._find_revisions()

    def __enter__(self) -> Self:
        try:
            self._together("_load")
        except BaseException:
            self.__exit__()  # half a model must not stay on the GPU
            raise
        return self

    def __exit__(self, *error: object) -> None:
        if self.clock is not None:
            self.clock.close()
        self.pipe = self.clock = None
        if self.options.attention is not None:
            reset_attention()
        free(self.device)

    def frames_requested(self, prompt: Prompt) -> int | None:
        """The call's own count, or the nearest to the prompt's length where that is followed."""
        own: int | None = self.call.get(self._frames_key)
        if self.longest_s is None or prompt.seconds is None or own is None:
            return own
        return self.rule.closest(prompt.seconds, self.fps, self.longest_s, own)

    def generate(self, prompt: Prompt, seed: int) -> Clip:
        """Call the pipeline, and hold what comes back against what a video is.

        Where memory runs out, what the pipeline held is free once torch.OutOfMemoryError is raised.
        """
        (clip,) = self.generate_batch(prompt, [seed])
        return clip

    def generate_batch(self, prompt: Prompt, seeds: Sequence[int]) -> list[Clip]:
        """Call the pipeline once, with random numbers of its own for each seed."""
        clips: list[Clip] = self._together("_call", prompt, seeds)
        return clips

    def _together(self, method: str, *arguments: Any) -> Any:  # noqa: ANN401 - of any method
        """Call a method, in all processes that make a clip together."""
        if self.team is not None:
            return self.team.call(self, method, *arguments)
        return getattr(self, method)(*arguments)

    def _call(self, prompt: Prompt, seeds: Sequence[int]) -> list[Clip]:
        arguments = self._arguments(prompt)
        # Some pipelines draw from the global generator, whatever they are given.
        torch.manual_seed(seeds[0])
        generators = [torch.Generator(self.device).manual_seed(seed) for seed in seeds]
        if len(seeds) > 1:
            arguments = calls.repeated(arguments, self.pipeline, len(seeds))
        arguments["generator"] = generators if len(seeds) > 1 else generators[0]
        before = calls.random_state(self.device)
        try:
            with _quiet():
                answer = self.pipe(**arguments, output_type="np")
        except torch.OutOfMemoryError:
            if not is_modular(type(self.pipe)):
                self.pipe.maybe_free_model_hooks()
            raise
        if not hasattr(answer, self.output):
            names = ", ".join(getattr(answer, "values", answer))  # of a modular one, its state's
            raise ClipError(f"{self.pipeline} gave {names} and no {self.output}: see model.output")
        if len(seeds) > 1 and calls.random_state(self.device) != before:
            raise ClipError(
                f"{self.pipeline} drew random numbers that are no seed's own, so that its clips "
                "depend on what shares their batch: type model.options.batch_size=1"
            )
        frames = getattr(answer, self.output)
        several = frames if len(seeds) > 1 else [frames]
        if len(several) != len(seeds):
            raise ClipError(f"expected {len(seeds)} clips of the pipeline, got {len(several)}")
        sound = calls.to_sound(answer, self.pipe) if len(seeds) == 1 else None
        return [self._clip(*pair, sound) for pair in zip(several, seeds, strict=True)]

    def _clip(self, frames: Any, seed: int, sound: Sound | None) -> Clip:  # noqa: ANN401 - of a pipeline
        try:
            flat_allowed = self.weights == "random"
            pixels = calls.to_frames(frames, flat_allowed=flat_allowed)
            return Clip(pixels, self.fps, sound=sound)
        except ClipError as error:  # the whole batch fails by it
            where = f"seed {seed}: " if self.options.batch_size > 1 else ""
            raise ClipError(f"{where}{error}") from None

    def source(self, prompt: Prompt, seed: int) -> dict[str, str]:  # noqa: ARG002 - the same for all
        """Hashes of the videos that drive the animation."""
        return {name: file_sha256(file) for name, file in self._videos.items() if file.is_file()}

    def loaded(self) -> Loaded:
        """What is really in use, read back from the loaded pipeline."""
        facts = read_back(self.pipe, self.device)
        if self.weights == "random" and not isinstance(self.description, Path):
            facts["architectures_from"] = "architectures.yaml"
        facts |= {"source": self.source_name, "revisions": self.revisions}
        return Loaded(weights=self.weights, **facts)

    def _load(self) -> None:
        kind = resolve_class(self.pipeline, "model.pipeline")
        with _quiet():
            if self.weights == "random":
                from bench.generators.diffusers.random_weights import random_pipeline

                home = torch.device("cpu") if self.options.offload else self.device
                self.pipe = random_pipeline(kind, self.description, self.load, self.dtypes, home)
            else:
                self._find_revisions()
                config = self.options.quantization_config()
                self.pipe = load_pipeline(kind, self.source_name, self.load, self.dtypes, config)
            self.pipe.set_progress_bar_config(disable=True)
            apply(self.options, self.pipe, self.dtypes["default"])
            place(self.options, self.pipe, self.device)
        self.clock = StageClock(self.pipe, self.device)

    @property
    def _size(self) -> tuple[int, int] | None:
        """Height and width that are asked for; None where neither is."""
        size = self.image_size or self.call
        if "height" not in size and "width" not in size:
            return None
        return size.get("height"), size.get("width")  # type: ignore[return-value]  # checked later

    def _arguments(self, prompt: Prompt) -> dict[str, Any]:
        arguments = dict(self.call)
        if (frames := self.frames_requested(prompt)) is not None:
            arguments[self._frames_key] = frames
        if "prompt" in calls.parameters(type(self.pipe)):
            arguments["prompt"] = prompt.text + self.prompt_suffix
        if self.task != "t2v" and prompt.image is not None:
            assert self._size is not None
            arguments[self._image_key] = calls.to_image(
                crop_to(read_image(prompt.image), *self._size), self._image_key
            )
        for name, file in self._videos.items():
            arguments[name] = [Image.fromarray(frame) for frame in read_video(file).frames]
        return arguments

    def _find_revisions(self) -> None:
        parts = (*self.load.components.values(), *self.load.loras)
        own = {"repo": self.source_name, "revision": self.load.revision}
        self.revisions = self.revisions or find_revisions(parts, own)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep three libraries from talking over the progress bar; their errors come as errors."""
    import diffusers
    import huggingface_hub
    import transformers

    libraries: tuple[Any, ...] = (diffusers.utils.logging, transformers.logging)
    before = [(log.get_verbosity(), log.is_progress_bar_enabled()) for log in libraries]
    for log in libraries:
        log.set_verbosity(logging.CRITICAL)
        log.disable_progress_bar()
    hub: Any = huggingface_hub.utils.logging
    hub_verbosity = hub.get_verbosity()
    hub.set_verbosity_error()  # downloads keep their bars
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        hub.set_verbosity(hub_verbosity)
        for log, (verbosity, bars) in zip(libraries, before, strict=True):
            log.set_verbosity(verbosity)
            if bars:
                log.enable_progress_bar()
