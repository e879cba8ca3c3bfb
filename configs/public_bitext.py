"""Where public bitext lies: sources by the language code that each publisher uses.

Not a preset. File names are relative to --data.root, a folder with one folder a
publication, as they come: LaFAND-MT, MENYO-20k, FLORES-200, NTREX-128, NLLB-Seed, TICO-19,
HornMT, Tatoeba, Zefania Bibles, ALT, AfriQA; dictionaries of MUSE, GATITOS, FreeDict.
"""

import dataclasses

from optical_jax.config import (
    Config,
    DataConfig,
    OptimizerConfig,
    StudentConfig,
    TeacherConfig,
)
from optical_jax.data.clean import CleaningConfig
from optical_jax.data.sources import BitextSource
from optical_jax.data.synthetic import SyntheticSource
from optical_jax.data.texts import TextSource
from optical_jax.models.head import HeadConfig
from optical_jax.models.stack import EncoderOptions
from optical_jax.models.vocabulary import VocabularyConfig
from optical_jax.objectives.mixture import ObjectiveConfig
from optical_jax.objectives.transport import TransportConfig

_WEB = "ENG/World English Bible/SF_2009-01-20_ENG_WEB_(WORLD ENGLISH BIBLE).zip"


def moses(name: str, source: str, target: str, **fields: object) -> BitextSource:
    """Return a source of two files with a sentence a line."""
    return BitextSource(
        name=name, format="moses", source=source, target=target, **fields
    )


def lafand(code: str, splits: tuple[str, ...]) -> tuple[BitextSource, ...]:
    """Return news of LaFAND-MT (non-commercial licence)."""
    folder = f"lafand-mt/en-{code}"
    return tuple(
        moses(f"lafand-{s}", f"{folder}/{s}.en", f"{folder}/{s}.{code}") for s in splits
    )


def flores(code: str) -> tuple[BitextSource, ...]:
    """Return dev and devtest of FLORES-200."""
    folder = "flores200/flores-200"
    return tuple(
        moses(f"flores-{s}", f"{folder}-{s}/eng_Latn.{s}", f"{folder}-{s}/{code}.{s}")
        for s in ("dev", "devtest")
    )


def ntrex(code: str) -> tuple[BitextSource, ...]:
    """Return the news of NTREX-128."""
    stem = "ntrex/NTREX-128/newstest2019"
    return (moses("ntrex", f"{stem}-src.eng.txt", f"{stem}-ref.{code}.txt"),)


def nllb_seed(code: str) -> tuple[BitextSource, ...]:
    """Return the Wikipedia sentences of NLLB-Seed."""
    return (moses("nllb-seed", "nllb-seed/eng_Latn", f"nllb-seed/{code}"),)


def tico19(code: str, file: str | None = None) -> tuple[BitextSource, ...]:
    """Return the health texts of TICO-19."""
    file = file or f"all.en-{code}.tmx.zip"
    return (
        BitextSource(
            name="tico19",
            format="tmx",
            source=f"tico19/TM/{file}",
            target_language=code,
        ),
    )


def tatoeba(code: str) -> tuple[BitextSource, ...]:
    """Return the Tatoeba sentences of LASER's test set."""
    stem = f"tatoeba-laser/tatoeba.{code}-eng"
    return (moses("tatoeba", f"{stem}.eng", f"{stem}.{code}"),)


def bible(path: str) -> tuple[BitextSource, ...]:
    """Return verses of the World English Bible and another one."""
    return (
        BitextSource(
            name="bible",
            format="zefania",
            source=f"bible-zefania/{_WEB}",
            target=f"bible-zefania/{path}",
        ),
    )


def words(code: str, *, weight: float = 0.3) -> tuple[BitextSource, ...]:
    """Return the word pairs of a MUSE dictionary."""
    source = f"muse-dictionaries/en-{code}.txt"
    return (BitextSource(name="words", format="muse", source=source, weight=weight),)


def freedict_swahili(*, weight: float = 0.3) -> tuple[BitextSource, ...]:
    """Return the entries of FreeDict's Swahili dictionaries, of both directions."""
    return tuple(
        BitextSource(
            name=f"freedict-{name}",
            format="tei",
            source=f"freedict-swahili/{name}/{name}.tei",
            reverse=reverse,
            weight=weight,
        )
        for name, reverse in (("eng-swh", False), ("swh-eng", True))
    )


def gatitos(code: str, *, weight: float = 0.3) -> tuple[BitextSource, ...]:
    """Return the words of a GATITOS lexicon."""
    source = f"gatitos/en_{code}.tsv"
    return (
        BitextSource(
            name=f"gatitos-{code}", format="gatitos", source=source, weight=weight
        ),
    )


def questions(code: str, *, weight: float = 3.0) -> tuple[BitextSource, ...]:
    """Return AfriQA's training questions with their human translations; no judgments."""
    file = f"afriqa/data/queries/{code}/queries.afriqa.{code}.en.train.json"
    return (
        BitextSource(
            name="questions",
            format="jsonl",
            source=file,
            keys=("translated_question", "question"),
            weight=weight,
        ),
    )


def glossed_english(*, respelt: float) -> tuple[SyntheticSource, ...]:
    """Return the English sides of other languages' bitext, glossed word by word.

    Wikipedia's sentences of NLLB-Seed and the training questions of AfriQA: topics that the
    bitext of most languages lacks, in words that a dictionary learnt from it has.

    Args:
        respelt: that a word which the dictionary lacks, mostly a name, is respelt as the
            language respells names: 1 where its letters are others, 0 where it copies them.
    """
    texts = {"wikipedia": (TextSource(path="nllb-seed/eng_Latn"), 2)} | {
        f"questions-{code}": (
            TextSource(
                path=f"afriqa/data/queries/{code}/queries.afriqa.{code}.en.train.json",
                format="jsonl",
                field="translated_question",
            ),
            4,
        )
        for code in ("hau", "ibo", "kin", "swa", "yor")
    }
    return tuple(
        SyntheticSource(
            name=f"glossed-{name}",
            kind="code-switch",
            texts=source,
            respelt=respelt,
            per_text=times,
            weight=float(times),
        )
        for name, (source, times) in texts.items()
    )


def of_relative(
    code: str, sources: tuple[BitextSource, ...], *, weight: float = 0.5
) -> tuple[BitextSource, ...]:
    """Return the bitext of a related language: words and names that both write alike."""
    return tuple(
        dataclasses.replace(s, name=f"{code}-{s.name}", weight=weight * s.weight)
        for s in sources
    )


def config(
    name: str,
    collection: str,
    sources: tuple[BitextSource, ...],
    *,
    synthetic: tuple[SyntheticSource, ...] = (),
    exclude_but: tuple[str, ...] = (),
    steps: int = 400,
    cache_teacher: bool = True,
    vocabulary_size: int = 12_000,
    whole_words: bool = True,
    word_forms: int = 0,
    stems: int = 0,
) -> Config:
    """Return the run that every language of the comparison shares.

    Args:
        name: of the run.
        collection: folder in work/collections whose texts are kept out of the bitext.
        sources: the bitext.
        synthetic: pairs made with it.
        exclude_but: query sets of the collection that may be in it: training splits.
        steps: of training.
        cache_teacher: whether to; in less than an epoch it saves nothing.
        vocabulary_size: pieces of the language; words that are seen twice have one each.
        whole_words: whether new pieces are whole words; see `VocabularyConfig`.
        word_forms: words told from the forms of others, at most.
        stems: words that endings may follow; a tenth of the inflected words are then read as
            stem and ending while training.
    """
    return Config(
        name=name,
        workdir=f"work/{name}",
        steps=steps,
        teacher=TeacherConfig(
            path="sentence-transformers/all-MiniLM-L6-v2",
            head=HeadConfig(query_length=64, document_length=256),
        ),
        student=StudentConfig(
            vocabulary=VocabularyConfig(
                mode="extend",
                size=vocabulary_size,
                whole_words=whole_words,
                spelled_names=64_000,
                word_forms=word_forms,
                stems=stems,
                row_multiple=8192,
            ),
            freeze=("encoder/layers/[1-9]",),
            compute=EncoderOptions(matmul="auto"),
        ),
        data=DataConfig(
            sources=sources,
            synthetic=synthetic,
            exclude=(f"work/collections/{collection}",),
            exclude_but=exclude_but,
            # The longest sentences cost most of the time.
            cleaning=CleaningConfig(max_characters=300),
            batch_size=32,
            cache_teacher=cache_teacher,
            split_words=0.1 if stems else 0.0,
            buckets=(16, 24, 32, 48, 64, 96),
        ),
        objective=ObjectiveConfig(
            transport=TransportConfig(epsilon=0.05, marginals="links", link_weight=1.0)
        ),
        # The embeddings are new, the layers are not: of those only the first learns.
        optimizer=OptimizerConfig(
            learning_rate=3e-4,
            embedding_optimizer="adagrad",
            embedding_rate=30.0,
            warmup_steps=50,
        ),
        eval_every=200,
        save_every=200,
        keep=1,
    )
