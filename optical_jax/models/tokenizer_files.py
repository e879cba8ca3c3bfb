"""The tokenizer files of an encoder folder: tokenizer.json and tokenizer_config.json.

The slow formats (vocab.txt, sentencepiece models) are not read: tokenizer.json alone says
how a text is normalised and split. Families differ in what stands around a text: [CLS] and
[SEP] (BERT, ModernBERT), <s> and </s> (XLM-R), </s> behind it (T5), often nothing
(decoders). A padding token must be there; a mask token only for expanded queries.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tokenizers

from optical_jax.data import jsontext, tokenize

_SPECIAL = {
    "pad": ("[PAD]", "<pad>"),
    "mask": ("[MASK]", "<mask>"),
    "unknown": ("[UNK]", "<unk>"),
}
_SPECIAL_KEYS = {"pad": "pad_token", "mask": "mask_token", "unknown": "unk_token"}


def read(folder: Path, *, rows: int) -> tokenizers.Tokenizer:
    """Read tokenizer.json for an encoder with this many embedding rows.

    Raises:
        FileNotFoundError: if there is none. Other libraries go on without it, with wrong
            vectors.
        ValueError: if it cannot be read, or has ids beyond the embedding rows.
    """
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise FileNotFoundError(
            f"{folder} has no tokenizer.json; make one from the vocabulary files "
            "(transformers: AutoTokenizer.from_pretrained(...).save_pretrained(...))"
        )
    try:
        tokenizer = tokenizers.Tokenizer.from_file(str(path))
    except Exception as error:  # noqa: BLE001 - the package raises no narrower class
        raise ValueError(f"{path} is no tokenizer file: {error}") from error
    # Some folders keep the padding and the cut of their training in it.
    tokenizer.no_padding()
    tokenizer.no_truncation()
    check_vocabulary(tokenizer, rows=rows)
    return tokenizer


def write(text: tokenize.TextEncoder, folder: Path, *, length: int) -> None:
    """Write both files; length is the longest input of the encoder."""
    text.tokenizer.save(str(folder / "tokenizer.json"))
    before, behind = tokenize.ends(text.tokenizer)
    names = (
        ("cls_token", "sep_token") if before and behind else ("bos_token", "eos_token")
    )
    settings = {
        # The classes named after a model build a tokenizer anew from its vocabulary and
        # lose a normalizer of our own; this one takes tokenizer.json as it is.
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": length,
        names[0]: before[0] if before else None,
        names[1]: behind[-1] if behind else None,
        "pad_token": text.special.pad,
        "mask_token": text.special.mask,
        "unk_token": text.special.unknown,
    }
    stated = {key: value for key, value in settings.items() if value is not None}
    (folder / "tokenizer_config.json").write_text(
        json.dumps(stated, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
    )


def as_special(
    tokenizer: tokenizers.Tokenizer, tokens: Sequence[str], *, rstrip: bool = False
) -> tokenizers.Tokenizer:
    """Return a tokenizer that finds these tokens of its own in a text as they are spelt.

    With rstrip, blanks behind them belong to them.

    A token that is merely in the vocabulary may be lowercased or taken apart when it stands
    in a text, where other libraries put a head's markers.
    """
    copy = tokenizers.Tokenizer.from_str(tokenizer.to_str())
    copy.add_special_tokens(
        [
            tokenizers.AddedToken(t, special=True, normalized=False, rstrip=rstrip)
            for t in tokens
        ]
    )
    return copy


def check_vocabulary(tokenizer: tokenizers.Tokenizer, *, rows: int) -> None:
    """Check that every id has an embedding row.

    Raises:
        ValueError: if not; libraries that add the missing rows fill them at random.
    """
    largest = max(tokenizer.get_vocab(with_added_tokens=True).values())
    if largest >= rows:
        raise ValueError(
            f"the tokenizer has ids up to {largest}, so that the encoder must have "
            f"vocab_size {largest + 1} or more, got {rows}; write tokenizer and "
            "weights of the same training"
        )


def read_special_tokens(
    folder: Path, tokenizer: tokenizers.Tokenizer
) -> tokenize.SpecialTokens:
    """Return the spelling of the special tokens, as stated or else as usually spelt.

    Raises:
        ValueError: if there is no padding token.
    """
    stated: dict[str, Any] = {}
    for name in ("special_tokens_map.json", "tokenizer_config.json"):
        if (folder / name).is_file():
            stated |= _settings(folder / name)
    found: dict[str, str | None] = {}
    for field, usual in _SPECIAL.items():
        token = _stated(stated, _SPECIAL_KEYS[field], tokenizer)
        known = [
            t for t in (token, *usual) if t and tokenizer.token_to_id(t) is not None
        ]
        found[field] = known[0] if known else None
    if found["mask"] is None:
        # PyLate expands queries with the end of text where there is no mask.
        found["mask"] = _stated(stated, "eos_token", tokenizer)
    if found["pad"] is None:
        raise ValueError(
            f"{folder}: the vocabulary has no padding token; name one as pad_token in "
            "tokenizer_config.json"
        )
    return tokenize.SpecialTokens(**found)


def _settings(path: Path) -> dict[str, Any]:
    try:
        found = jsontext.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is no JSON file: {error}") from error
    if not isinstance(found, dict):
        raise ValueError(f"{path} must hold an object, got {found!r:.60}")
    return found


def _stated(
    settings: dict[str, Any], key: str, tokenizer: tokenizers.Tokenizer
) -> str | None:
    """Return a token that the settings name, if the vocabulary has it."""
    token = settings.get(key)
    token = token["content"] if isinstance(token, dict) else token
    return token if token and tokenizer.token_to_id(token) is not None else None
