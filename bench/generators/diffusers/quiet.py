"""Silence for libraries that talk over the progress bar."""

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

import diffusers
import huggingface_hub
import transformers


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep three libraries from talking over the progress bar; their errors come as errors."""
    libraries: tuple[Any, ...] = (diffusers.utils.logging, transformers.logging)
    before = [(log.get_verbosity(), log.is_progress_bar_enabled()) for log in libraries]
    for log in libraries:
        log.set_verbosity_error()
        log.disable_progress_bar()
    hub: Any = huggingface_hub.utils.logging
    spoke = hub.get_verbosity()
    hub.set_verbosity_error()  # downloads keep their bars
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        hub.set_verbosity(spoke)
        for log, (verbosity, bars) in zip(libraries, before, strict=True):
            log.set_verbosity(verbosity)
            if bars:
                log.enable_progress_bar()
