"""One frozen dataclass tree describes a run; every default stands here and nowhere else."""

from dataclasses import dataclass
from typing import Literal

from optical_jax.data.clean import CleaningConfig
from optical_jax.data.code_switch import CodeSwitchConfig
from optical_jax.data.passages import PassagesConfig
from optical_jax.data.ranking import Mixing
from optical_jax.data.ranking_sources import RankingSource
from optical_jax.data.sources import BitextSource
from optical_jax.data.synthetic import SyntheticSource
from optical_jax.models.head import HeadConfig
from optical_jax.models.lora import LoraConfig
from optical_jax.models.stack import EncoderOptions
from optical_jax.models.vocabulary import VocabularyConfig
from optical_jax.objectives.mixture import ObjectiveConfig
from optical_jax.training.validation import ValidationConfig


@dataclass(frozen=True, kw_only=True)
class TeacherConfig:
    """The frozen English retriever; not used by objectives that have no teacher."""

    # Folder or hub id.
    path: str = ""
    # None: the head that the folder describes.
    head: HeadConfig | None = None


@dataclass(frozen=True, kw_only=True)
class StudentConfig:
    """The encoder that is trained."""

    # Folder or hub id it starts from; empty: the teacher's.
    path: str = ""
    # None: the teacher's head (distillation) or the folder's.
    head: HeadConfig | None = None
    vocabulary: VocabularyConfig = VocabularyConfig(mode="keep")
    dropout: float = 0.0
    # Regular expressions on parameter paths such as "encoder/embeddings/position/embedding";
    # parameters that match one stay as they are.
    freeze: tuple[str, ...] = ()
    # Whether tokens of a decoder see those after them; None: as its config.json says.
    bidirectional: bool | None = None
    # Train small adapters in place of all parameters: rank > 0.
    lora: LoraConfig = LoraConfig()
    # Memory and speed of the encoder; results are the same.
    compute: EncoderOptions = EncoderOptions()


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Where examples come from and how they are batched."""

    # Folder that the sources' file names are relative to.
    root: str = ""
    # Bitext, for distillation.
    sources: tuple[BitextSource, ...] = ()
    cleaning: CleaningConfig = CleaningConfig()
    # BEIR folders whose queries and documents must not be in the bitext.
    exclude: tuple[str, ...] = ()
    # Query sets of those that may be in it all the same: training splits.
    exclude_but: tuple[str, ...] = ()
    validation_fraction: float = 0.02
    # Chooses the held-out pairs. It is not `seed`, so that runs of several seeds share the
    # prepared bitext and the teacher's vectors.
    split_seed: int = 0
    # Pairs to train on, at most, drawn from all sources; 0: all.
    pairs: int = 0
    # Pairs made of the bitext, of dictionaries and of texts of the teacher's language.
    synthetic: tuple[SyntheticSource, ...] = ()
    # Words of the student's texts replaced by translations, anew in every epoch.
    code_switch: CodeSwitchConfig = CodeSwitchConfig()
    # Share of targets that lose their accents or tone marks, as in typed questions.
    unmarked: float = 0.3
    # Share of the student's words with a piece of their own that are read as their parts, as
    # words that the bitext lacks are (`student.vocabulary.word_parts`).
    split_words: float = 0.0
    # What the objective "scores" has the teacher score.
    passages: PassagesConfig = PassagesConfig()
    # Queries with documents, for retrieval training.
    ranking: tuple[RankingSource, ...] = ()
    # Documents of a query beside the positive one.
    negatives: int = 1
    # How the languages of parallel ranking sources mix in a batch.
    language_mixing: Mixing = "mix-entries"
    # Prepared bitext and cached teacher vectors.
    cache_dir: str = "~/.cache/optical_jax"
    # Keep the frozen teacher's token vectors on disk, so that only one epoch computes them.
    cache_teacher: bool = True
    # Examples a step, over all hosts.
    batch_size: int = 64
    # Batches that are drawn together and sorted by length, so that little is padding.
    window: int = 32
    # Padded lengths in tokens; every one is a compiled shape.
    buckets: tuple[int, ...] = (16, 24, 32, 48, 64, 128, 180)


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """AdamW with linear warm-up, then cosine to zero."""

    learning_rate: float = 3e-4
    # The word embeddings' learning rate, relative to that: most pieces are seen seldom.
    embedding_rate: float = 1.0
    # Of the word embeddings. With "adam" a gradient seen once moves its row for tens of
    # steps, by 31 learning rates in all at b2 .999; with "adagrad" (Duchi, Hazan, Singer
    # 2011) by one, and half of the state is saved.
    embedding_optimizer: Literal["adam", "adagrad"] = "adam"
    warmup_steps: int = 100
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    b1: float = 0.9
    b2: float = 0.999
    eps: float = 1e-8
    weight_decay: float = 0.01
    # Global norm that gradients are clipped to; 0: not clipped.
    clip_norm: float = 1.0
    # Parts that a batch is cut into, one after the other, to save memory.
    accumulation: int = 1
    # Texts that the student encodes at once; the loss still sees the whole batch, which
    # accumulation cuts. Encodes twice, in the memory of a chunk. 0: all at once.
    gradcache_chunk: int = 0


@dataclass(frozen=True, kw_only=True)
class MeshConfig:
    """Devices along each mesh axis; -1 takes what is left."""

    data: int = -1
    fsdp: int = 1
    tensor: int = 1
    # TPU slices, or hosts, that only a data-centre network joins. "data" spans them; what
    # is sent along the other axes stays inside of one.
    slices: int = 1


@dataclass(frozen=True, kw_only=True)
class Config:
    """A whole run."""

    name: str = "run"
    # Checkpoints, metrics and config.json of the run.
    workdir: str = "work/run"
    seed: int = 0
    steps: int = 1000
    # Computation; parameters, costs and scores are float32 in any case.
    dtype: Literal["float32", "bfloat16"] = "float32"
    teacher: TeacherConfig = TeacherConfig()
    student: StudentConfig = StudentConfig()
    data: DataConfig = DataConfig()
    objective: ObjectiveConfig = ObjectiveConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    validation: ValidationConfig = ValidationConfig()
    mesh: MeshConfig = MeshConfig()
    log_every: int = 20
    eval_every: int = 250
    save_every: int = 250
    # Newest checkpoints kept beside the best one.
    keep: int = 2
    # Stop (resumably) after this step; 0: at `steps`. The schedule does not change.
    stop_after: int = 0

    def __post_init__(self) -> None:
        """Check what spans several fields, before any long work starts."""
        _require(self.steps >= 1, "steps", "at least 1", self.steps)
        for name in ("log_every", "eval_every", "save_every", "keep"):
            _require(getattr(self, name) >= 1, name, "at least 1", getattr(self, name))
        data, optimizer = self.data, self.optimizer
        _require(data.batch_size >= 1, "data.batch_size", "at least 1", data.batch_size)
        _require(data.window >= 1, "data.window", "at least 1", data.window)
        _require(data.negatives >= 0, "data.negatives", "at least 0", data.negatives)
        _require(data.pairs >= 0, "data.pairs", "at least 0", data.pairs)
        ordered = tuple(sorted(set(data.buckets)))
        _require(
            bool(ordered) and ordered == data.buckets and ordered[0] > 0,
            "data.buckets",
            "positive lengths in rising order",
            data.buckets,
        )
        _require(
            0 < data.validation_fraction < 1,
            "data.validation_fraction",
            "between 0 and 1",
            data.validation_fraction,
        )
        _require(
            0 <= data.unmarked <= 1, "data.unmarked", "between 0 and 1", data.unmarked
        )
        _require(
            0 <= data.split_words < 1, "data.split_words", "in [0, 1)", data.split_words
        )
        _require(
            not data.split_words or self.student.vocabulary.whole_words,
            "data.split_words",
            "0 without student.vocabulary.whole_words, whose words have parts",
            data.split_words,
        )
        _require(
            optimizer.learning_rate > 0,
            "optimizer.learning_rate",
            "> 0",
            optimizer.learning_rate,
        )
        _require(
            optimizer.embedding_rate > 0,
            "optimizer.embedding_rate",
            "> 0 (student.freeze keeps parameters as they are)",
            optimizer.embedding_rate,
        )
        _require(
            0 <= optimizer.warmup_steps <= self.steps,
            "optimizer.warmup_steps",
            f"between 0 and steps ({self.steps})",
            optimizer.warmup_steps,
        )
        _require(
            optimizer.accumulation >= 1
            and not data.batch_size % optimizer.accumulation,
            "optimizer.accumulation",
            f"a divisor of data.batch_size ({data.batch_size})",
            optimizer.accumulation,
        )
        part, chunk = (
            data.batch_size // optimizer.accumulation,
            optimizer.gradcache_chunk,
        )
        _require(
            chunk >= 0 and (not chunk or not part % chunk),
            "optimizer.gradcache_chunk",
            f"a divisor of data.batch_size / optimizer.accumulation ({part}), or 0",
            chunk,
        )
        _require(
            0 <= self.student.dropout < 1,
            "student.dropout",
            "in [0, 1)",
            self.student.dropout,
        )
        _require(
            not (self.student.lora.rank and self.student.freeze),
            "student.freeze",
            "empty with student.lora, which trains adapters and student.lora.also alone",
            self.student.freeze,
        )


def _require(holds: bool, name: str, rule: str, value: object) -> None:
    if not holds:
        raise ValueError(f"{name} must be {rule}, got {value}")
