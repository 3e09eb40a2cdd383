import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_results import METRICS, result, write
from numpy.typing import NDArray

from bench.commands.power import Spread, main, spread
from bench.errors import BenchError
from tools import footage_power
from tools.footage_power import spread_of_footage


def simulated(
    models: int, prompts: int, seeds: int, parts: Spread, chance: int
) -> NDArray[np.float64]:
    """Models that are equally good, and differ by chance alone."""
    rng = np.random.default_rng(chance)
    table: NDArray[np.float64] = (
        parts.prompt * rng.normal(size=(1, prompts, 1))
        + parts.interaction * rng.normal(size=(models, prompts, 1))
        + parts.seed * rng.normal(size=(models, prompts, seeds))
    )
    return table


def test_the_parts_of_a_simulated_table_are_found_again() -> None:
    truth = Spread(prompt=3.0, interaction=1.0, seed=2.0)
    parts = spread(simulated(6, 2000, 4, truth, chance=1) + np.arange(6)[:, None, None])
    assert parts.prompt == pytest.approx(truth.prompt, rel=0.05)
    assert parts.interaction == pytest.approx(truth.interaction, rel=0.05)
    assert parts.seed == pytest.approx(truth.seed, rel=0.05)


@pytest.mark.parametrize(("prompts", "seeds"), [(10, 1), (10, 4), (40, 4)])
def test_the_standard_error_is_that_of_repeated_experiments(prompts: int, seeds: int) -> None:
    truth = Spread(prompt=5.0, interaction=1.0, seed=2.0)
    means = np.array(
        [simulated(2, prompts, seeds, truth, chance).mean(axis=(1, 2)) for chance in range(3000)]
    )
    differences = means[:, 0] - means[:, 1]
    assert differences.std() == pytest.approx(truth.standard_error(prompts, seeds), rel=0.05)


def test_four_in_five_experiments_find_a_detectable_difference() -> None:
    truth = Spread(prompt=5.0, interaction=1.0, seed=2.0)
    difference = truth.detectable(40, 2)
    hits = 0
    for chance in range(2000):
        one, other = simulated(2, 40, 2, truth, chance).mean(axis=2)
        gaps = one + difference - other
        hits += bool(abs(gaps.mean()) > 1.96 * gaps.std(ddof=1) / np.sqrt(40))
    assert hits / 2000 == pytest.approx(0.8, abs=0.03)


def test_parts_that_are_not_there_are_zero() -> None:
    parts = spread(np.tile(np.arange(5.0)[None, :, None], (3, 1, 4)))
    assert (parts.interaction, parts.seed) == (0, 0)
    assert parts.prompt == pytest.approx(np.std(np.arange(5.0), ddof=1))


@pytest.mark.parametrize("shape", [(1, 5, 4), (3, 1, 4), (3, 5, 1), (3, 5)])
def test_a_table_that_cannot_be_taken_apart_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="all at least 2"):
        spread(np.zeros(shape))


def written(folder: Path, model: str, seeds: int, missing: int | None = None) -> str:
    rng = np.random.default_rng(len(model))
    content = result(
        model,
        score=lambda prompt, _: {"flicker": None if prompt == missing else rng.random()},
        prompts=6,
        seeds=range(seeds),
        metrics={"flicker": METRICS["flicker"]},
    )
    return str(write(content, folder))


def test_the_command_prints_what_each_design_tells_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [written(tmp_path, "a", 3), written(tmp_path, "bb", 2, missing=4)]
    assert main([*paths, "--metric", "flicker"]) == 0
    printed = capsys.readouterr().out
    assert "| 100 x 4 | 400 | " in printed
    detectable = [float(line.split("|")[3]) for line in printed.splitlines() if " x " in line[:8]]
    assert len(detectable) == 9
    assert detectable[0] == max(detectable)


@pytest.mark.parametrize(
    ("seeds", "arguments", "message"),
    [
        (1, ["--metric", "flicker"], "expected two seeds or more"),
        (2, ["--metric", "flikcer"], "got 'flikcer' (did you mean 'flicker'"),
    ],
)
def test_what_cannot_be_answered_is_one_line(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    seeds: int,
    arguments: list[str],
    message: str,
) -> None:
    paths = [written(tmp_path, name, seeds) for name in ("a", "bb")]
    assert main([*paths, *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def test_one_model_is_compared_with_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([written(tmp_path, "a", 2), "--metric", "flicker"]) == 2
    assert "two models or more" in capsys.readouterr().err


KINDS = (
    "original",
    "flicker",
    "noise",
    "wobble",
    "drift",
    "pop",
    "order",
    "hold",
    "vanish",
    "morph",
)


def controls(films: int, pieces: int, parts: Spread) -> list[dict[str, Any]]:
    """What a health check would write of films that differ by chance alone."""
    rng = np.random.default_rng(0)
    values = []
    for film in range(films):
        of_film = parts.prompt * rng.normal()
        for piece in range(pieces):
            of_piece = of_film + parts.seed * rng.normal()
            for number, kind in enumerate((*KINDS, "cut", "frozen")):
                level = int(kind not in ("original", "frozen"))
                value = 10 * number + of_piece + parts.interaction * rng.normal()
                for step in range(level, 1 + 2 * level):  # stronger faults are of no concern
                    scores = {"flicker": value + 100 * (step - level)}
                    place = {"piece": f"{film}@{piece}", "file": str(film)}
                    values.append({**place, "kind": kind, "level": step, "scores": scores})
    return values


def test_the_parts_of_footage_are_found_again() -> None:
    truth = Spread(prompt=3.0, interaction=1.0, seed=2.0)
    parts = spread_of_footage(controls(300, 4, truth), "flicker")
    assert parts.prompt == pytest.approx(truth.prompt, rel=0.1)
    assert parts.interaction == pytest.approx(truth.interaction, rel=0.05)
    # A piece shows its own part with every fault, and the fault's part on it.
    assert parts.seed == pytest.approx(np.hypot(truth.seed, truth.interaction), rel=0.05)


def test_films_without_two_pieces_tell_no_draws_apart() -> None:
    parts = Spread(prompt=3.0, interaction=1.0, seed=2.0)
    for films, pieces in ((4, 1), (1, 4)):
        with pytest.raises(BenchError, match="two films or more, two of one film"):
            spread_of_footage(controls(films, pieces, parts), "flicker")


def test_a_health_check_says_what_footage_tells_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    health = str(tmp_path / "health.json")
    parts = Spread(prompt=3.0, interaction=1.0, seed=2.0)
    Path(health).write_text(json.dumps(controls(4, 4, parts)))
    assert footage_power.main([health, "--metric", "flicker"]) == 0
    assert "| 100 x 4 | 400 | " in capsys.readouterr().out
    (tmp_path / "none.json").write_text("{}")
    for name, message in (
        ("none.json", "none.json is none"),
        ("nowhere.json", "nowhere.json"),
    ):
        assert footage_power.main([str(tmp_path / name), "--metric", "coherence"]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert message in line
    assert footage_power.main([health, "--metric", "nosuch"]) == 2
    assert "expected nosuch of pieces" in capsys.readouterr().err
