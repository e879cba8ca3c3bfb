"""Options that name the encoders of a command."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from optical_jax.models import folder
from optical_jax.models.head import HeadConfig
from optical_jax.models.retriever import Retriever
from optical_jax.training import workdir as workdir_lib


@dataclass(frozen=True, kw_only=True)
class HeadOptions:
    """Use encoders with this head instead of what their folders say.

    Given one field, every other one has the default of a plain multi-vector head: no
    projection, no markers, no expansion, no skip list.
    """

    kind: Literal["multi-vector", "single-vector"] | None = None
    # Width of the folder's linear projection; None: it is not used.
    projection: int | None = None
    # Whether that has a bias.
    projection_bias: bool | None = None
    # Only for "single-vector".
    pooling: Literal["mean", "cls", "last"] | None = None
    # Tokens that queries and documents are cut to, special ones included.
    query_length: int | None = None
    document_length: int | None = None
    # Tokens inserted after the first one.
    query_marker: str | None = None
    document_marker: str | None = None
    # Pad queries with mask tokens and score those too.
    expansion: bool | None = None
    # Whether other tokens attend to those.
    attend_to_expansion: bool | None = None
    # Document tokens that are not scored.
    skiplist: tuple[str, ...] | None = None
    # Whether the first token of a text is not scored.
    skip_first: bool | None = None

    def resolve(self) -> HeadConfig | None:
        """Return the head, or None if no field is given."""
        given = {k: v for k, v in dataclasses.asdict(self).items() if v is not None}
        return HeadConfig(**given) if given else None


@dataclass(frozen=True, kw_only=True)
class EncoderOptions:
    """Name the encoders: two folders, or a training run that knows both."""

    # Retriever folder or hub id of the student.
    query_encoder: str | None = None
    # Retriever folder or hub id of the teacher.
    document_encoder: str | None = None
    # Folder of a training run, in place of both.
    workdir: Path | None = None
    # In place of the heads that the folders describe.
    head: HeadOptions = HeadOptions()

    def load_encoders(self) -> tuple[Retriever, Retriever | None]:
        """Return the document encoder and, if one is named, the query encoder.

        Raises:
            ValueError: if no document encoder is named, or encoders are named twice.
            FileNotFoundError: if a folder or a file of it is missing.
        """
        head = self.head.resolve()
        if self.workdir is not None:
            if self.query_encoder or self.document_encoder or head:
                raise ValueError(
                    "workdir gives both encoders and their heads, got others beside it; "
                    "leave out query_encoder, document_encoder and head"
                )
            config = workdir_lib.read_config(self.workdir)
            student = workdir_lib.load_student(self.workdir)
            return workdir_lib.load_teacher(config), student
        if not self.document_encoder:
            raise ValueError(
                "document_encoder must name a retriever folder, got none; name it, or a "
                "training run by workdir"
            )
        teacher = folder.load(self.document_encoder, head=head)
        if not self.query_encoder:
            return teacher, None
        return teacher, folder.load(self.query_encoder, head=head)
