"""What is known of a study's runs: by their folders, and by the archive of those gone."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from optical_jax.studies import bench, runner
from optical_jax.studies.archive import Archive, Kept
from optical_jax.studies.bench import Benches, Measured
from optical_jax.studies.grid import Average, Base, Run
from optical_jax.studies.runner import Standing

# What the baselines depend on: the bitext's sentences, and the teacher.
_OF_BASELINES = ("data.sources", "data.cleaning", "data.exclude", "teacher.")


class Ledger:
    """Looks runs up, does what is not done, and keeps in the archive what is."""

    def __init__(
        self, root: Path, archive: Archive, *, discarded: Collection[str] = ()
    ):
        """Take the folder of all runs, and the archive.

        Args:
            root: the folder.
            archive: what outlives it.
            discarded: names of runs whose folders go once their measures are kept.
        """
        self._root = root
        self._archive = archive
        self._discarded = discarded

    def standing(self, run: Run) -> Standing:
        """Tell how far a run is; one whose measures are kept is done.

        Raises:
            ValueError: if its folder or the archive has a run of another config.
        """
        found = runner.standing(run)
        if found.state != "done" and self._kept(run) is not None:
            return Standing("done", run.config.steps)
        return found

    def measured(self, run: Run) -> Measured | None:
        """Return what was measured of a run; None if that is still to be done."""
        found = runner.measured(run)
        kept = self._kept(run) if found is None else None
        return kept.measured if kept else found

    def summary(self, run: Run) -> dict[str, Any]:
        """Return what a results file says of a finished run; no paths."""
        if runner.standing(run).state == "done":
            return runner.summary(run)
        return self._kept(run).summary

    def baselines(self, base: Base) -> Measured | None:
        """Return what was measured of a base's baselines, None if nothing was."""
        found = runner.baselines_of(base, self._root)
        if found is not None:
            return found
        kept = self._archive.find(_baselines(base), base.config, only=_OF_BASELINES)
        return kept.measured if kept and bench.fits(kept.measured, base) else None

    def average(self, one: Average) -> Measured | None:
        """Return what was measured of a mean of runs; None if nothing was."""
        found = runner.measured_average(one)
        if found is not None:
            return found
        kept = self._archive.find(_mean(one), one.runs[0].config)
        return kept.measured if kept and bench.fits(kept.measured, one.base) else None

    def execute(self, run: Run, benches: Benches) -> None:
        """Train a run to its end, measure its student and keep that; one done stays.

        Raises:
            Exception: whatever stopped it, which is kept in its folder, too.
        """
        if self.standing(run).state != "done":
            runner.execute(run, benches)
            self.keep(run)
        if run.name in self._discarded and self._kept(run) is not None:
            runner.discard(run)

    def measure_baselines(self, base: Base, benches: Benches) -> None:
        """Measure the baselines of a base, once for all of its runs, and keep that."""
        runner.measure_baselines(base, self._root, benches)
        self.keep_baselines(base)

    def execute_average(self, one: Average, benches: Benches) -> None:
        """Measure the mean of runs that are all done, once, and keep that."""
        if self.average(one) is None:
            runner.execute_average(one, benches)
        found = runner.measured_average(one)
        if found is not None:
            self._archive.keep(_mean(one), one.runs[0].config, found)

    def keep(self, run: Run) -> None:
        """Keep what a run measured, if its folder is there and it is done."""
        if runner.standing(run).state == "done":
            found, told = runner.measured(run), runner.summary(run)
            self._archive.keep(run.name, run.config, found, told)

    def keep_baselines(self, base: Base) -> None:
        """Keep what the baselines of a base measured, if their folder is there."""
        found = runner.baselines_of(base, self._root)
        if found is not None:
            self._archive.keep(_baselines(base), base.config, found)

    def _kept(self, run: Run) -> Kept | None:
        kept = self._archive.find(run.name, run.config)
        if kept is None or not bench.fits(kept.measured, run.base):
            return None
        return kept if runner.is_whole(kept.measured, run) else None


def _baselines(base: Base) -> str:
    return f"{base.name}/baselines"


def _mean(one: Average) -> str:
    return f"{one.base.name}/{one.name}/{one.folder.name}"
