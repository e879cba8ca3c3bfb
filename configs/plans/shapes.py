"""What the plans share: encoders by their config.json alone, which is all a plan needs.

To train one, name the encoder's folder or hub id: --teacher.path FOLDER.
"""

from pathlib import Path

from optical_jax.config import (
    Config,
    DataConfig,
    MeshConfig,
    OptimizerConfig,
    StudentConfig,
    TeacherConfig,
)
from optical_jax.models.head import HeadConfig
from optical_jax.models.lora import NO_ADAPTERS, LoraConfig
from optical_jax.models.stack import EncoderOptions
from optical_jax.models.vocabulary import VocabularyConfig

HEAD = HeadConfig(projection=128, query_length=64, document_length=256)


def config(
    name: str,
    encoder: str,
    *,
    head: HeadConfig = HEAD,
    batch_size: int,
    mesh: MeshConfig,
    compute: EncoderOptions,
    vocabulary: VocabularyConfig | None = None,
    lora: LoraConfig = NO_ADAPTERS,
    accumulation: int = 1,
) -> Config:
    """Return a distillation in bfloat16 of ten million pairs, the teacher's vectors cached.

    Args:
        name: of the run.
        encoder: file name in encoders/, teacher and student alike.
        head: of both.
        batch_size: pairs a step.
        mesh: of the topology that the plan is for.
        compute: of the student.
        vocabulary: the student's; None: the teacher's.
        lora: adapters that are trained in place of all parameters.
        accumulation: parts that a batch is cut into.
    """
    path = Path(__file__).with_name("encoders") / f"{encoder}.json"
    return Config(
        name=name,
        workdir=f"work/{name}",
        steps=10_000_000 // batch_size,
        dtype="bfloat16",
        teacher=TeacherConfig(path=str(path), head=head),
        student=StudentConfig(
            vocabulary=vocabulary or VocabularyConfig(mode="keep"),
            compute=compute,
            lora=lora,
        ),
        data=DataConfig(batch_size=batch_size, buckets=(32, 64)),
        optimizer=OptimizerConfig(warmup_steps=100, accumulation=accumulation),
        mesh=mesh,
    )
