"""The tiny run that faults befall, and the same run without any."""

import functools
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults import processes, runs, states
from tests.training import tiny_run

STEPS = 8
# Every step is saved and every checkpoint kept, so that all of them are compared. The data
# are prepared in the run's folder: that is a part of a run, too.
FIELDS = (
    f"steps={STEPS}, save_every=1, eval_every=8, keep=100, "
    "data=tiny_run.data(root, cache_dir=str(workdir / 'cache'))"
)
ONE = {"devices": 2, "fields": f"{FIELDS}, mesh=MeshConfig(data=2)"}


@dataclass
class World:
    """Inputs in a folder; runs without a fault, each made when it is first asked for."""

    root: Path
    _runs: dict[str, Path] = field(default_factory=dict)
    _states: dict[tuple[Path, int], states.State] = field(default_factory=dict)

    @classmethod
    def make(cls, root: Path) -> "World":
        """Write the inputs, unless they are there."""
        if not (root / "teacher").is_dir():
            tiny_run.write_inputs(root)
        return cls(root)

    def straight(self, name: str = "straight", **options: Any) -> Path:
        """Return the folder of a run without a fault.

        Args:
            name: of the folder.
            options: those of `runs.start`; none: those of `ONE`.
        """
        if name not in self._runs:
            workdir = self.fresh(name)
            started = runs.start(self.root, workdir, **(options or ONE))
            ended = processes.finish(started)
            assert [one.status for one in ended] == [0] * len(ended), ended
            self._runs[name] = workdir
        return self._runs[name]

    @property
    def touches(self) -> int:
        """How often the straight run of one process touches its folder."""
        return runs.touches(self.straight())[1]

    @functools.cached_property
    def reader(self) -> states.Reader:
        """Reads the checkpoints of all of these runs."""
        return states.Reader(self.straight())

    def is_same(self, run: Path, straight: Path, step: int) -> bool:
        """Tell whether a run's checkpoint is that of a straight run, bit for bit."""
        if (straight, step) not in self._states:
            self._states[straight, step] = self.reader.read(straight, step)
        return states.same(self.reader.read(run, step), self._states[straight, step])

    def fresh(self, name: str) -> Path:
        """Return a folder for a run that is not there."""
        workdir = self.root / name
        shutil.rmtree(workdir, ignore_errors=True)
        return workdir

    def check_kept(self, run: Path, straight: Path | None = None) -> int | None:
        """Check what a run that was stopped has kept; returns its newest step.

        Every checkpoint under its name is whole and the straight run's; none that a later
        one proves to have been there is lost.
        """
        straight = straight or self.straight()
        found = states.steps(run)
        assert found == list(range(len(found))), f"checkpoints {found} have gaps"
        logged = max(states.losses(run), default=0)
        # Saves run one at a time, and one starts only behind the one before.
        assert len(found) >= logged - 1, f"{len(found)} checkpoints, step {logged} done"
        for step in found[-2:]:
            assert self.is_same(run, straight, step), f"checkpoint {step} differs"
        return found[-1] if found else None

    def check_end(self, run: Path, straight: Path | None = None) -> None:
        """Check that a run is at its end and equal to the straight one, bit for bit."""
        straight = straight or self.straight()
        found = states.steps(run)
        assert found == list(range(STEPS + 1)), f"checkpoints {found} at the end"
        own, straights = states.losses(run), states.losses(straight)
        assert own == straights, f"losses {own}, {straights} without a fault"
        left = states.unfinished(run)
        assert not left, f"{left} left of interrupted saves"
        for step in (STEPS // 2, STEPS):
            assert self.is_same(run, straight, step), f"step {step} differs"

    def goes_on(
        self, run: Path, straight: Path | None = None, **options: Any
    ) -> list[processes.Ended]:
        """Run the same command without a fault and check that it resumes and ends well.

        Args:
            run: its folder.
            straight: the run of the same mesh without a fault; None: that of one process.
            options: those of `runs.start`; none: those of `ONE`.
        """
        newest = self.check_kept(run, straight)
        ended = processes.finish(runs.start(self.root, run, **(options or ONE)))
        assert {one.status for one in ended} == {0}, ended
        if newest:
            assert f"resumed from step {newest}" in ended[0].out, ended
        self.check_end(run, straight)
        return ended
