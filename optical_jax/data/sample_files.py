"""The built-in sample world as files, and an encoder for it that knows nothing yet."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import jax
import tokenizers
from tokenizers import (
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

from optical_jax.data import sample, textfile, tokenize
from optical_jax.models import bert, retriever
from optical_jax.models import folder as folder_lib
from optical_jax.models.head import HeadConfig

_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
# Added last and with the blank, as PyLate spells them.
MARKERS = ("[Q] ", "[D] ")


def write(world: sample.World, folder: Path) -> None:
    """Write the world as files of the usual formats.

    The parallel sentences become `train.en` and `train.x` (Moses line pairs), the triples
    `triples.jsonl`, and `collection/` is a BEIR folder with the query sets `en-dev`, `x-dev`,
    `en-test` and `x-test`.
    """
    _write(folder / "train.en", (sentence.english for sentence in world.bitext))
    _write(folder / "train.x", (sentence.invented for sentence in world.bitext))
    _write(folder / "triples.jsonl", (_json(**t._asdict()) for t in world.triples))
    collection = folder / "collection"
    _write(
        collection / "corpus.jsonl",
        (_json(_id=p.doc_id, title=p.title, text=p.text) for p in world.passages),
    )
    for name, questions in world.questions.items():
        judgments = ["query-id\tcorpus-id\tscore"]
        judgments += [f"{q.query_id}\t{d}\t1" for q in questions for d in q.doc_ids]
        for language, texts in (
            ("en", [q.english for q in questions]),
            ("x", [q.invented for q in questions]),
        ):
            lines = (
                _json(_id=question.query_id, text=text)
                for question, text in zip(questions, texts, strict=True)
            )
            _write(collection / "queries" / f"{language}-{name}.jsonl", lines)
            _write(collection / "qrels" / f"{language}-{name}.tsv", judgments)


def _json(**fields: object) -> str:
    """Write one object on one line, letters as they are."""
    return json.dumps(fields, ensure_ascii=False)


def _write(path: Path, lines: Iterable[str]) -> None:
    """Write lines to a file that is either whole or not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    textfile.write(path, "".join(f"{line}\n" for line in lines))


def train_tokenizer(texts: Sequence[str], *, size: int = 1500) -> tokenizers.Tokenizer:
    """Train an uncased WordPiece vocabulary as BERT's, with the two markers at its end."""
    tokenizer = tokenizers.Tokenizer(
        models.WordPiece(_train_pieces(texts, size - len(MARKERS)), unk_token="[UNK]")
    )
    tokenizer.normalizer, tokenizer.pre_tokenizer = _splitting()
    ends = [(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=ends
    )
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.add_special_tokens([*_SPECIAL, *MARKERS])
    return tokenizer


def _splitting() -> tuple[normalizers.Normalizer, pre_tokenizers.PreTokenizer]:
    """Return how text becomes words: as in an uncased BERT that keeps accents."""
    return (
        normalizers.BertNormalizer(lowercase=True, strip_accents=False),
        pre_tokenizers.BertPreTokenizer(),
    )


def _train_pieces(texts: Sequence[str], size: int) -> dict[str, int]:
    """Train pieces, the same from the same texts.

    Left to itself the trainer numbers the inner letters in the order of a hash table that
    differs between runs, and breaks ties of frequency by number. Given as special tokens
    they have fixed numbers; in the vocabulary that is returned they are ordinary pieces.
    """
    learner = tokenizers.Tokenizer(models.WordPiece(unk_token="[UNK]"))
    learner.normalizer, learner.pre_tokenizer = _splitting()
    letters = sorted(set("".join(learner.normalizer.normalize_str(t) for t in texts)))
    inner = [f"##{letter}" for letter in letters if not letter.isspace()]
    learner.train_from_iterator(
        texts,
        trainers.WordPieceTrainer(
            vocab_size=size,
            special_tokens=[*_SPECIAL, *inner],
            show_progress=False,
        ),
    )
    return learner.get_vocab()


def write_untrained_encoder(
    world: sample.World,
    folder: Path,
    *,
    hidden_size: int = 128,
    layers: int = 2,
    heads: int = 4,
    vocabulary: int = 1500,
    seed: int = 0,
) -> None:
    """Write a small BERT with random weights as a Hugging Face encoder folder.

    Raises:
        ValueError: if the folder has content already.
    """
    tokenizer = train_tokenizer(world.texts_en(), size=vocabulary)
    config = bert.BertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=hidden_size,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=2 * hidden_size,
        max_position_embeddings=128,
    )
    head = HeadConfig(query_marker=MARKERS[0], document_marker=MARKERS[1])
    untrained = retriever.Retriever(
        config,
        head,
        tokenize.TextEncoder(tokenizer, head),
        retriever.init_params(config, head, key=jax.random.key(seed)),
    )
    with folder_lib.staged(folder) as staging:
        folder_lib.write_encoder(untrained, staging)
