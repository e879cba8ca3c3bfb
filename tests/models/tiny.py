"""Tiny random retrievers with tokenizers of both kinds; no network, made in milliseconds."""

import dataclasses
import functools
import string

import jax
import jax.numpy as jnp
import numpy as np
import tokenizers
from flax import nnx
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors

from optical_jax.data import tokenize
from optical_jax.models import bert, decoder_config, families, modernbert, retriever, t5
from optical_jax.models.head import HeadConfig

# Latin with and without diacritics, Devanagari, Ethiopic, Arabic, Thai, Han, an emoji.
TEXTS = (
    "Habari za asubuhi, dunia!",
    "who wrote the book?",
    "Ẹ káàárọ̀ o; ọjọ́ rere",
    "नमस्ते दुनिया, यह क्या है?",
    "ማን ጻፈው",
    "من كتب الكتاب؟",
    "ใครเขียนหนังสือ",
    "谁写了这本书?",
    "a [MASK] in the text, 😀 and 1984.",
    "",
    "word " * 60,
)
COLBERT = HeadConfig(
    projection=8,
    query_length=16,
    document_length=24,
    query_marker="[Q] ",
    document_marker="[D] ",
    expansion=True,
    skiplist=(*string.punctuation, "no single token"),
)
TOKENWISE = HeadConfig(query_length=16, document_length=24)
POOLED = HeadConfig(kind="single-vector", query_length=24, document_length=24)


def _letters() -> list[str]:
    """Every character of TEXTS, as the normalizers in use here leave it."""
    forms = normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents()])
    joined = "".join(TEXTS).lower()
    kept = set(joined) | set(forms.normalize_str(joined))
    # Han is left out, so that [UNK] occurs.
    return sorted(c for c in kept if not c.isspace() and c not in "谁写了这本书")


def wordpiece(*, accents: bool = False, markers: bool = True) -> tokenizers.Tokenizer:
    """A BERT tokenizer; accents=True keeps diacritics, which BERT's own uncased does not."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = ["habari", "dunia", "book", "the", "who", "word", "##bari"]
    letters = _letters()
    pieces = [*special, *words, *letters, *(f"##{c}" for c in letters)]
    pieces += [c for c in string.punctuation if c not in letters]
    vocabulary = {piece: i for i, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = tokenizers.Tokenizer(
        models.WordPiece(vocabulary, unk_token="[UNK]", continuing_subword_prefix="##")
    )
    tokenizer.normalizer = (
        normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
        if accents
        else normalizers.BertNormalizer(lowercase=True)
    )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    return _finish(tokenizer, special, ("[CLS]", "[SEP]"), markers=markers)


def unigram(*, markers: bool = True, punctuation: bool = False) -> tokenizers.Tokenizer:
    """An XLM-R-like tokenizer: <s>, <pad>, </s>, <unk> first, <mask> last."""
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    words = ["▁habari", "▁dunia", "▁book", "▁the", "▁who", "▁word", "bari", "▁"]
    pieces = [(token, 0.0) for token in special]
    pieces += [(word, -2.0) for word in words]
    letters = _letters()
    if punctuation:
        letters += sorted(set(string.punctuation) - set(letters))
    pieces += [(letter, -5.0) for letter in letters] + [("<mask>", 0.0)]
    tokenizer = tokenizers.Tokenizer(models.Unigram(pieces, unk_id=3))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    return _finish(tokenizer, [*special, "<mask>"], ("<s>", "</s>"), markers=markers)


def unigram_t5(*, markers: bool = True) -> tokenizers.Tokenizer:
    """A T5-like tokenizer: only </s> behind a text, no mask token."""
    tokenizer = unigram(markers=markers)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", tokenizer.token_to_id("</s>"))]
    )
    return tokenizer


def _finish(
    tokenizer: tokenizers.Tokenizer,
    special: list[str],
    ends: tuple[str, str],
    *,
    markers: bool,
) -> tokenizers.Tokenizer:
    tokenizer.add_special_tokens(special)
    if markers:
        tokenizer.add_special_tokens(
            [tokenizers.AddedToken(m, normalized=False) for m in ("[Q] ", "[D] ")]
        )
    first, last = ends
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{first} $A {last}",
        special_tokens=[(t, tokenizer.token_to_id(t)) for t in ends],
    )
    return tokenizer


def encoder(family: str, **ids: int) -> families.EncoderConfig:
    """The config of a tiny encoder; ids are vocab_size and pad_token_id."""
    if family == "t5":
        return t5.T5Config(
            d_model=16, d_kv=4, d_ff=32, num_layers=2, num_heads=4, **ids
        )
    if family in decoder_config.FAMILIES:
        fields = {
            "model_type": family,
            "hidden_size": 16,
            "intermediate_size": 24,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 6,
            "max_position_embeddings": 32,
            "sliding_window": 6,
        }
        return families.parse({**fields, **ids})
    shape = {"hidden_size": 16, "num_attention_heads": 4, "intermediate_size": 32}
    if family == "modernbert":
        return modernbert.ModernBertConfig(
            num_hidden_layers=4, local_attention=8, **shape, **ids
        )
    is_bert = family == "bert"
    return bert.BertConfig(
        model_type=family,
        num_hidden_layers=2,
        max_position_embeddings=32 if is_bert else 34,
        type_vocab_size=2 if is_bert else 1,
        layer_norm_eps=1e-12 if is_bert else 1e-5,
        **shape,
        **ids,
    )


def make(
    head: HeadConfig,
    *,
    family: str = "bert",
    tokenizer: tokenizers.Tokenizer | None = None,
    seed: int = 0,
) -> retriever.Retriever:
    """A retriever of 16 hidden units and 2 layers (ModernBERT: 4)."""
    has_cls = family in ("bert", "modernbert")
    # An end of text behind every text and nothing before it.
    has_end = family == "t5" or family in decoder_config.FAMILIES
    made = wordpiece if has_cls else unigram_t5 if has_end else unigram
    tokenizer = tokenizer or made()
    special = tokenize.SpecialTokens()
    if not has_cls:
        mask = "</s>" if has_end else "<mask>"
        special = tokenize.SpecialTokens(pad="<pad>", mask=mask, unknown="<unk>")
    config = encoder(
        family,
        vocab_size=tokenizer.get_vocab_size(),
        pad_token_id=tokenizer.token_to_id(special.pad),
    )
    rng = np.random.default_rng(seed)
    # At the usual 0.02 attention is flat and a wrong mask would not show.
    values = {
        path: jnp.asarray(
            0.4 * rng.standard_normal(leaf.shape) + (path[-1] == "scale"), jnp.float32
        )
        for path, leaf in nnx.to_flat_state(retriever.abstract_params(config, head))
    }
    params = retriever.from_values(config, head, values)
    text = tokenize.TextEncoder(tokenizer, head, special=special)
    return retriever.Retriever(config, head, text, params)


def with_head(model: retriever.Retriever, **fields: object) -> retriever.Retriever:
    """The same weights under other head settings."""
    return model.with_head(dataclasses.replace(model.head, **fields))


@functools.partial(jax.jit, static_argnames="graph")
def _vectors(params, ids, mask, *, graph):  # noqa: ANN001, ANN202
    return nnx.merge(graph, params)(ids, mask)


def vectors(
    model: retriever.Retriever, rows: list[tokenize.Encoded]
) -> list[np.ndarray]:
    """Scored vectors of each text, [t p], or [1 p] for a single-vector head."""
    length = max(len(row.ids) for row in rows)
    batch = tokenize.pad(rows, length, pad_id=model.text.pad_id)
    # Without what the model does not see, most heads share one compiled program.
    head = dataclasses.replace(
        model.head, skiplist=(), query_marker=None, document_marker=None
    )
    graph = retriever.graphdef(model.encoder, head, dtype=model.dtype)
    out = np.asarray(_vectors(model.params, batch["ids"], batch["mask"], graph=graph))
    if model.head.kind == "single-vector":
        return list(out)
    return [row[scored] for row, scored in zip(out, batch["scored"], strict=True)]
