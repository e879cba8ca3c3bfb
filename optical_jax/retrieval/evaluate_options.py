"""The options of `optical_jax.evaluate`, checked, and what they name, loaded."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optical_jax import prepare
from optical_jax.data.collection import Collection
from optical_jax.data.sources import Pair
from optical_jax.models.retriever import Retriever
from optical_jax.retrieval import machine_translation, tasks, trec
from optical_jax.retrieval.bm25 import Bm25Config
from optical_jax.retrieval.compressed import Storage
from optical_jax.retrieval.encoder_options import EncoderOptions
from optical_jax.retrieval.fusion import FusionConfig
from optical_jax.retrieval.translation import Ibm1Config
from optical_jax.training import workdir as workdir_lib

_NO_BITEXT = "none"


@dataclass(frozen=True, kw_only=True)
class Options(EncoderOptions):
    """What to measure, with what, beside what; and where the results go."""

    # Folder of the collection: BEIR, MS MARCO or TREC layout, or prepared.
    collection: Path | None = None
    # Whether documents of the BEIR layout start with their titles, as in BEIR itself.
    titles: bool = True
    # Query sets of the collection.
    queries: tuple[str, ...] = ()
    # For each query set, the one with the same questions in the documents' language.
    topline_queries: tuple[str, ...] = ()
    # For each query set, a development set on which the weights of a fusion are chosen.
    tune_queries: tuple[str, ...] = ()
    # Query sets that ask the same in several languages, divided by commas ("en,mr,hi"; one
    # may be a topline): how much the answers of each method differ between them.
    parallel: tuple[str, ...] = ()
    # What to do with queries that have no relevant document.
    unjudged: tasks.Unjudged = "error"
    # Bitext of the row ibm1+bm25: a prepared folder, or a config file and its overrides in
    # quotes ("configs/X.py --data.root RAW"); None: the workdir's; "none": no such row.
    bitext: str | None = None
    # How that row translates.
    ibm1: Ibm1Config = Ibm1Config()
    # Terms of all rows that search by words.
    bm25: Bm25Config = Bm25Config()
    # For each query set, then for each of tune_queries, a file of translations: JSON lines
    # {_id, text}, or query_id<tab>text.
    translations: tuple[Path, ...] = ()
    # A program that translates instead: one query a line in, one translation a line out.
    translate_command: str | None = None
    # Seconds it may take for a query set.
    translate_timeout: float = 3600.0
    # TREC run files of any systems, named by their files; they need no encoder.
    runs: tuple[Path, ...] = ()
    # Judgments file of these runs, in place of a collection.
    qrels: Path | None = None
    # Rows to fuse, by weights and by reciprocal ranks; none: student and ibm1+bm25, where
    # they are.
    fuse: tuple[str, ...] = ()
    # How they are fused.
    fusion: FusionConfig = FusionConfig()
    # The row that every other one is tested against; "all": every two are; None: every
    # two of at most 6 rows, and more against the student where there is one.
    baseline: str | None = None
    # Of the permutation tests.
    samples: int = 100_000
    # Where NAME.json and NAME/ are written; None: WORKDIR/evaluation, or nothing is.
    output: Path | None = None
    # Of the files in output; None: the collection's.
    name: str | None = None
    # Encoded collections and word translations.
    cache: Path = Path("~/.cache/optical_jax")
    # Documents ranked for each query.
    depth: int = 1000
    # How the documents' vectors are kept: residual-N is N bits a number.
    vectors: Storage = "float16"
    # Texts encoded at once.
    batch_size: int = 64
    # Recorded with each row; with a workdir, its seed is.
    seed: int = 0

    def __post_init__(self) -> None:
        """Check that the options name one thing to measure.

        Raises:
            ValueError: saying which option is missing or too many.
        """
        if self.collection is None and (self.qrels is None or not self.runs):
            raise ValueError(
                "collection must name a folder, got none; without one, runs are measured "
                "by the judgments file that qrels names"
            )
        if self.parallel and self.collection is None:
            raise ValueError(
                "parallel names query sets of a collection, got no collection; name it"
            )
        if self.qrels is not None and self.collection is not None:
            raise ValueError(
                "qrels stand in place of a collection, got both; leave one out"
            )
        if self.translations and self.translate_command is not None:
            raise ValueError(
                "translations come from files or from translate_command, got both; "
                "leave one out"
            )
        names = [path.stem for path in self.runs]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(
                f"run files must have names that differ, got several {twice[0]!r}; a row "
                "is named by its file, without the extension"
            )

    def load_runs(self) -> dict[str, trec.Run]:
        """Return the runs by the names of their files."""
        return {path.stem: trec.read_run(path.expanduser()) for path in self.runs}

    def load_encoders(self) -> tuple[Retriever | None, Retriever | None]:
        """Return the document encoder and the query encoder, None where none is needed."""
        lexical = self.bitext or self.translations or self.translate_command
        named = self.workdir or self.query_encoder or self.document_encoder
        if not named and (self.runs or lexical):
            return None, None
        return super().load_encoders()

    def load_pairs(self, say: Callable[[str], None]) -> list[Pair]:
        """Return the training split of the bitext, none if there is none.

        Args:
            say: told why the bitext of a workdir cannot be read: it is no error there.
        """
        if self.bitext == _NO_BITEXT:
            return []
        if self.bitext is not None:
            return prepare.open_bitext(self.bitext).pairs("train")
        if self.workdir is None:
            return []
        config = workdir_lib.read_config(self.workdir)
        if not config.data.sources:
            return []
        longest = max(config.data.cleaning.max_characters, self.ibm1.max_characters)
        cleaning = dataclasses.replace(config.data.cleaning, max_characters=longest)
        data = dataclasses.replace(config.data, cleaning=cleaning)
        try:
            prepared = prepare.prepare_bitext(dataclasses.replace(config, data=data))
            return prepared.pairs("train")
        except FileNotFoundError as error:
            say(f"no row ibm1+bm25, the run's bitext is not there: {error}")
            return []

    def load_translations(self, collection: Collection) -> dict[str, dict[str, str]]:
        """Return query set -> query_id -> translation, empty if there are none."""
        names = list(dict.fromkeys([*self.queries, *self.tune_queries]))
        if self.translate_command is not None:
            folder = self.results or self.cache
            return {
                name: machine_translation.run(
                    self.translate_command,
                    collection.queries(name),
                    folder=(folder / (self.name or collection.name)).expanduser(),
                    name=name,
                    timeout=self.translate_timeout,
                )
                for name in names
            }
        if len(self.translations) not in (0, len(self.queries), len(names)):
            raise ValueError(
                f"translations must be a file for each of queries, or of these and "
                f"tune_queries ({', '.join(names)}), got {len(self.translations)}"
            )
        read = (machine_translation.read(p.expanduser()) for p in self.translations)
        return dict(zip(names, read, strict=False))

    def of_comparison(self) -> dict[str, Any]:
        """Return the arguments of `evaluate.run` that `compare_runs` has, too."""
        seed = self.seed
        if self.workdir is not None:
            seed = workdir_lib.read_config(self.workdir).seed
        return {
            "depth": self.depth,
            "fuse": self.fuse,
            "fusion": self.fusion,
            "baseline": self.baseline,
            "samples": self.samples,
            "seed": seed,
            "unjudged": self.unjudged,
        }

    @property
    def results(self) -> Path | None:
        """The folder that results are written to, None if they are not."""
        if self.output is None and self.workdir is not None:
            return self.workdir / "evaluation"
        return self.output
