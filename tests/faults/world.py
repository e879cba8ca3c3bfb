"""The tiny run that faults befall, and the same run without any."""

import functools
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults import processes, states
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
    """Inputs in a folder, and what the run without a fault keeps."""

    root: Path
    _states: dict[int, states.State] = field(default_factory=dict)

    @classmethod
    def make(cls, root: Path) -> "World":
        """Write the inputs, unless they are there."""
        if not (root / "teacher").is_dir():
            tiny_run.write_inputs(root)
        return cls(root)

    @functools.cached_property
    def straight(self) -> Path:
        """The folder of the run without a fault, made when it is first asked for."""
        workdir = self.fresh("straight")
        ended = processes.run(self.root, workdir, **ONE)
        assert ended.status == 0, ended
        return workdir

    @property
    def touches(self) -> int:
        """How often the straight run touches its folder."""
        return int(processes.beside(self.straight, "touches").read_text())

    @functools.cached_property
    def reader(self) -> states.Reader:
        """Reads the checkpoints of all of these runs."""
        return states.Reader(self.straight)

    def is_straight(self, run: Path, step: int) -> bool:
        """Tell whether a run's checkpoint is that of the straight run, bit for bit."""
        if step not in self._states:
            self._states[step] = self.reader.read(self.straight, step)
        return states.same(self.reader.read(run, step), self._states[step])

    def fresh(self, name: str) -> Path:
        """Return a folder for a run that is not there."""
        workdir = self.root / name
        shutil.rmtree(workdir, ignore_errors=True)
        return workdir

    def check_kept(self, run: Path) -> int | None:
        """Check what a run that was stopped has kept; returns its newest step.

        Every checkpoint under its name is whole and the straight run's; none that a later
        one proves to have been there is lost.
        """
        found = states.steps(run)
        assert found == list(range(len(found))), f"checkpoints {found} have gaps"
        logged = max(states.losses(run), default=0)
        # Saves run one at a time, and one starts only behind the one before.
        assert len(found) >= logged - 1, f"{len(found)} checkpoints, step {logged} done"
        for step in found[-2:]:
            assert self.is_straight(run, step), f"checkpoint {step} differs"
        return found[-1] if found else None

    def check_end(self, run: Path) -> None:
        """Check that a run is at its end and equal to the straight one, bit for bit."""
        straight = self.straight
        assert states.steps(run) == list(range(STEPS + 1))
        assert states.losses(run) == states.losses(straight)
        assert states.unfinished(run) == []
        for step in (STEPS // 2, STEPS):
            assert self.is_straight(run, step), f"step {step} differs"

    def goes_on(self, run: Path) -> None:
        """Run the same command without a fault and check that it resumes and ends well."""
        newest = self.check_kept(run)
        ended = processes.run(self.root, run, **ONE)
        assert ended.status == 0, ended
        if newest:
            assert f"resumed from step {newest}" in ended.out, ended.out
        self.check_end(run)
