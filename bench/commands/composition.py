"""Configuration composed as a command line asks, and refused if it is a program.

It is refused before anything of it runs, unless `--allow-code` is typed. What this package holds,
and values that are typed, may be used. Import paths of other code may not, and where files of
another folder of configuration take part, neither may they set what Hydra itself runs, name
programs or keys, nor read the environment, of which results would be published.
"""

import argparse
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import hydra
from hydra import compose, initialize_config_dir
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra._internal.utils import get_args_parser
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import InterpolationResolutionError
from omegaconf.resolvers import oc

from bench.commands import check_folder
from bench.config import RunConfig, plain
from bench.errors import BenchError, attempt
from bench.storage import CONF, PACKAGE

_FLAG = "--allow-code"

_HYDRA = re.compile(r"hydra\._internal\.core_plugins\.\w+\.\w+|hydra_plugins\.[\w.]+")
"""Launchers and sweepers that are installed, all of which Hydra imports."""

_OBEDIENT = {
    "bench.generators.command.CommandGenerator": "command",
    "bench.generators.video_api.VideoApiGenerator": "key_env",
}
"""Classes that do what a key says: run a program, send what a variable of the environment holds."""

_PUBLIC_VARIABLES = ("RAY_ADDRESS",)  # see `conf/launch/ray.yaml`

# Without other folders, only what is typed can name code.
_TELLING = re.compile(r"_target_|compute|oc\.|hydra|\.\.|\$|@", re.IGNORECASE)

_TAKEN_AS_TYPED = re.compile(r"[\w./-]*", re.ASCII)
"""Values that have no meaning to Hydra."""


def add_overrides(parser: argparse.ArgumentParser) -> None:
    """Have a command take what `python -m bench` takes."""
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="as for steadybench run")
    parser.add_argument("--config-dir", metavar="DIR", help="folder of your own configuration")
    parser.add_argument(
        _FLAG,
        action="store_true",
        help="run code of others that the configuration names, having read it",
    )


def read_overrides(
    parser: argparse.ArgumentParser, arguments: Sequence[str] | None
) -> argparse.Namespace:
    """The command line (None: of the process), where options may stand between overrides."""
    options, more = parser.parse_known_args(arguments)
    if unknown := [argument for argument in more if argument.startswith("-")]:
        key = unknown[0].lstrip("-").partition("=")[0]
        is_key = key.partition(".")[0] in RunConfig.model_fields
        parser.error(f"there is no {unknown[0]}" + (f": type {key}=VALUE" if is_key else ""))
    options.overrides = [_with_quoted_path(each) for each in (*options.overrides, *more)]
    return options


def _with_quoted_path(argument: str) -> str:
    """KEY=VALUE, whose value is quoted if it is a path of this machine that Hydra could misread.

    To Hydra brackets and commas have a meaning, and letters beyond ASCII none.
    """
    key, _, value = argument.partition("=")
    is_plain = _TAKEN_AS_TYPED.fullmatch(value) or {*value} & {*'"\\'}
    if is_plain or not os.path.exists(os.path.expanduser(value)):  # noqa: PTH110, PTH111 - never raise
        return argument
    return f'{key}="{value}"'


def compose_config(name: str, options: argparse.Namespace) -> DictConfig:
    """`conf/<name>.yaml` with the overrides of a command line."""
    return compose_choice(name, options)[0]


def compose_choice(name: str, options: argparse.Namespace) -> tuple[DictConfig, str]:
    """As `compose_config`, and the name of the model's YAML."""
    check_folder(options.config_dir)
    if not options.allow_code:
        refuse_code(name, options.overrides, options.config_dir)
    overrides = list(options.overrides)
    if options.config_dir is not None:
        overrides.append(f"hydra.searchpath=[file://{Path(options.config_dir).resolve()}]")
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose(name, overrides, return_hydra_config=True)
    choice = str(config.hydra.runtime.choices.get("model"))
    with open_dict(config):
        del config.hydra
    return config, choice


def run_command(name: str, job: Callable[[dict[str, Any]], int]) -> int:
    """A command whose whole command line is Hydra's, of `conf/<name>.yaml`; its exit code."""
    configs: list[dict[str, Any]] = []  # none where Hydra only shows something, as with --cfg job

    @hydra.main(version_base="1.3", config_path=str(CONF), config_name=name)
    def compose_config(config: DictConfig) -> None:
        configs.append(plain(config))

    def run() -> int:
        accept_command_line(name)
        compose_config()
        return max(map(job, configs), default=0)

    return 0 if show_help(name) else attempt(run)


def show_help(name: str) -> bool:
    """Print the help that `conf/<name>.yaml` holds, if it is asked for; whether it was.

    Hydra would list every group of configuration before, which takes it a second.
    """
    if not {"-h", "--help"} & {*sys.argv[1:]}:
        return False
    sys.stdout.write(f"{OmegaConf.load(CONF / f'{name}.yaml').hydra.help.template}\n")
    return True


def accept_command_line(name: str) -> None:
    """Hold what Hydra was told on the command line of this process against `refuse_code`.

    `--allow-code` is taken from it, since Hydra does not know it.
    """
    is_allowed = _FLAG in sys.argv
    sys.argv[:] = [_with_quoted_path(argument) for argument in sys.argv if argument != _FLAG]
    command_line = get_args_parser().parse_args(sys.argv[1:])
    check_folder(command_line.config_dir)
    if is_allowed:
        return
    for option in ("config_path", "config_name", "experimental_rerun"):
        if (place := getattr(command_line, option)) is not None:
            raise _refusal(f"--{option.replace('_', '-')}", f"{place!r}")
    refuse_code(name, command_line.overrides, command_line.config_dir)


def parsed(overrides: Sequence[str]) -> list[Override]:
    """Overrides of a command line, as Hydra reads them once it has begun."""
    loader = GlobalHydra.instance().config_loader()
    return OverridesParser.create(loader).parse_overrides(list(overrides))


def jobs_of(overrides: list[Override]) -> list[list[str]]:
    """What each job of a sweep is given of them."""
    return list(chain.from_iterable(BasicSweeper.split_arguments(overrides, None)))


def refuse_code(name: str, overrides: Sequence[str], config_dir: str | None) -> None:
    """Refuse by BenchError what `conf/<name>.yaml` becomes with these overrides if it is a program.

    Overrides may be those of a sweep, of which all jobs are looked at.
    """
    if config_dir is None and not any(map(_TELLING.search, overrides)):
        return
    with _without_environment(), initialize_config_dir(str(CONF), version_base="1.3"):
        loader = GlobalHydra.instance().config_loader()
        typed_overrides = parsed(overrides)
        folders = [config_dir] if config_dir is not None else []
        for override in typed_overrides:
            if override.get_key_element().lstrip("+") == "hydra.searchpath":
                places = override.value()
                folders += map(str, places if isinstance(places, list) else ())
        if packages := [folder for folder in folders if folder.startswith("pkg:")]:
            raise _refusal("hydra.searchpath", f"{packages[0]!r}, which is imported")
        roots = [Path(folder.removeprefix("file://")) for folder in folders]
        search_path = [
            f"hydra.searchpath=[{','.join(f'file://{root.resolve()}' for root in roots)}]"
        ]
        for job in jobs_of(typed_overrides):
            job = [each for each in job if "hydra.searchpath" not in each]
            job += search_path if roots else []
            defaults = loader.compute_defaults_list(name, job, RunMode.RUN).defaults
            files = list(_elsewhere(defaults, roots))
            for file, package in files:
                _refuse_hydra(file, package)
            _refuse_within(compose(name, job, return_hydra_config=True), bool(files))


def _elsewhere(defaults: Sequence[Any], roots: Sequence[Path]) -> Iterator[tuple[Path, str]]:
    """Files that take part and are none of this package, and what of the whole each describes."""
    for each in defaults:
        for root in (CONF, *roots):  # the package comes first
            path = (root / f"{each.config_path}.yaml").resolve()
            if path.is_file():
                if not path.is_relative_to(CONF.resolve()):  # a name may lead out of it
                    yield path, each.package or ""
                break


def _refuse_hydra(file: Path, package: str) -> None:
    """Hydra calls what its own part of the configuration names, before any job begins."""
    content = OmegaConf.load(file)
    if package.partition(".")[0] == "hydra" or (
        isinstance(content, DictConfig) and "hydra" in content
    ):
        raise _refusal("hydra", f"what {file} sets of it")


def _refuse_within(config: DictConfig, is_strange: bool) -> None:
    hydra_part = OmegaConf.to_container(config.hydra, resolve=False)
    with open_dict(config):
        del config.hydra
    values = plain(config)
    for where, node in chain(_nodes(hydra_part, "hydra"), _nodes(values)):
        target = node.get("_target_")
        if target is None or _is_own(target):
            continue
        if not (where.startswith("hydra.") and _HYDRA.fullmatch(str(target))):
            raise _refusal(f"{where}._target_", f"{target!r}")
    for where, node in _nodes(values) if is_strange else ():
        key = _OBEDIENT.get(str(node.get("_target_")))
        if key and node.get(key):
            raise _refusal(f"{where}.{key}", f"{node[key]!r}")
    metrics = values.get("metrics")
    metric_paths = metrics.get("compute") if isinstance(metrics, dict) else None
    for metric, path in (metric_paths or {}).items():
        if _own_module(path) is None:
            raise _refusal(f"metrics.compute.{metric}", f"{path!r}")


def _nodes(value: object, where: str = "") -> Iterator[tuple[str, Mapping[Any, Any]]]:
    """All mappings at any depth, with their place."""
    if isinstance(value, Mapping):
        yield where, value
    inner = value if isinstance(value, Mapping) else {}
    inner = dict(enumerate(value)) if isinstance(value, list) else inner
    for key, each in inner.items():
        yield from _nodes(each, f"{where}.{key}" if where else str(key))


def _own_module(path: object) -> Path | None:
    """The file of the module here that an import path leads into; nothing is imported for it."""
    home = str(path).replace(":", ".").rpartition(".")[0]
    if not re.fullmatch(r"bench(\.[a-z_0-9]+)+", home):
        return None
    file = PACKAGE.joinpath(*home.split(".")[1:]).with_suffix(".py")
    return file if file.is_file() else None


def _is_own(path: object) -> bool:
    """Whether an import path is that of a class which a module here defines, or of nothing there.

    What a module imports, or a function of it, can be called as well: `bench.storage.os.system`.
    """
    if (file := _own_module(path)) is None:
        return False
    name = re.escape(str(path).replace(":", ".").rpartition(".")[2])
    text = file.read_text("utf-8")
    defined = re.search(rf"^class {name}\b", text, re.MULTILINE)
    return defined is not None or re.search(rf"\b{name}\b", text) is None


@contextmanager
def _without_environment() -> Iterator[None]:
    refusals: list[BenchError] = []

    def read(key: str, *default: Any) -> Any:  # noqa: ANN401 - as OmegaConf has it
        if key not in _PUBLIC_VARIABLES:
            refusals.append(_refusal(f"${{oc.env:{key}}}", "a variable of the environment"))
            raise refusals[0]
        return oc.env(key, *default)

    OmegaConf.register_new_resolver("oc.env", read, replace=True)
    try:
        yield
    except InterpolationResolutionError:
        if refusals:  # what a resolver raises comes wrapped
            raise refusals[0] from None
        raise
    finally:
        OmegaConf.register_new_resolver("oc.env", oc.env, replace=True)


def _refusal(where: str, what: str) -> BenchError:
    return BenchError(
        f"{where}: expected what this package holds, got {what}: it can do whatever you can; read "
        f"it, and add {_FLAG} if you trust who wrote it"
    )
