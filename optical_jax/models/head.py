"""How an encoder's token vectors become a retriever's vectors: markers, lengths, pooling."""

import string
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class HeadConfig:
    """Describe a retrieval head; the field names are ColBERT's where it has one.

    A query is `[CLS] query_marker tokens [SEP]`, a document `[CLS] document_marker tokens
    [SEP]` (Khattab and Zaharia, 2020, arXiv 2004.12832). Lengths count every one of these.
    """

    # "multi-vector" scores by MaxSim over tokens; "single-vector" pools them into one.
    kind: Literal["multi-vector", "single-vector"] = "multi-vector"
    # Width of the linear projection after the encoder; None: no projection.
    projection: int | None = None
    # Whether the projection adds a bias (BGE-M3's does, ColBERT's does not).
    projection_bias: bool = False
    # Only for "single-vector"; "last" is the last token that is not padding.
    pooling: Literal["mean", "cls", "last"] = "mean"
    query_length: int = 32
    document_length: int = 180
    # Token inserted after the first one; None: no marker.
    query_marker: str | None = None
    document_marker: str | None = None
    # Put before every query and document, as E5's "query: " or an instruction: text like
    # theirs, scored and pooled with it.
    query_prompt: str = ""
    document_prompt: str = ""
    # Pad queries with the mask token up to query_length and score those slots too.
    expansion: bool = False
    # Whether the other tokens attend to the slots of the expansion.
    attend_to_expansion: bool = False
    # Document tokens that are encoded but not scored.
    skiplist: tuple[str, ...] = ()
    # Whether the first token ([CLS]) of queries and documents is encoded but not scored, as
    # in BGE-M3 (Chen et al., 2024, arXiv 2402.03216).
    skip_first: bool = False

    def __post_init__(self) -> None:
        """Check the lengths and the combinations that have no meaning."""
        for name in ("query_length", "document_length"):
            if getattr(self, name) < 4:
                raise ValueError(
                    f"head.{name} must be at least 4 ([CLS], marker, one token, [SEP]), "
                    f"got {getattr(self, name)}"
                )
        if self.projection is not None and self.projection < 1:
            raise ValueError(f"head.projection must be positive, got {self.projection}")
        if self.projection is None and self.projection_bias:
            raise ValueError(
                "head.projection_bias needs a projection, got head.projection None; set "
                "head.projection_bias to False"
            )
        if self.kind == "single-vector" and self.expansion:
            raise ValueError(
                "head.expansion scores [MASK] slots, which a single-vector head has not; "
                "set head.expansion to False"
            )
        if self.kind == "single-vector" and self.skip_first:
            raise ValueError(
                "head.skip_first leaves a token unscored, and a single-vector head scores "
                "none; set head.skip_first to False"
            )


COLBERT = HeadConfig(
    projection=128,
    query_marker="[Q] ",
    document_marker="[D] ",
    expansion=True,
    skiplist=tuple(string.punctuation),
)
