"""From a config to what switches words of the student's texts while training."""

from collections.abc import Callable
from pathlib import Path

from optical_jax.config import Config
from optical_jax.data import code_switch, pipeline
from optical_jax.data.bitext import Bitext
from optical_jax.data.bitext_lexicon import BitextLexicon

# Examples to examples with switched texts beside their own.
Switch = Callable[[pipeline.Examples], pipeline.Examples]


def make(config: Config, prepared: Bitext | None) -> Switch:
    """Return what switches the examples of any stream; it changes nothing if none is asked.

    Args:
        config: the run.
        prepared: its bitext, if it has one.

    Raises:
        FileNotFoundError: if a dictionary is missing.
        ValueError: if the student reads no such text, or a dictionary cannot be read.
    """
    settings, data = config.data.code_switch, config.data
    if not settings.probability:
        return lambda examples: examples
    read = sorted({name for who, name in config.objective.kinds() if who == "student"})
    for name in settings.fields:
        if name not in read:
            raise ValueError(
                "data.code_switch.fields must be texts that the student reads with "
                f"objective.mix {config.objective.mix!r}, some of {read}, got {name!r}"
            )
    lexicon = BitextLexicon(prepared, data_dir=Path(data.cache_dir).expanduser())
    switcher = code_switch.CodeSwitcher(
        dictionaries=lexicon.dictionaries(
            settings.dictionaries, root=Path(data.root).expanduser()
        ),
        probability=settings.probability,
        choice=settings.choice,
    )
    return lambda examples: code_switch.SwitchedExamples(
        examples, switcher, settings, seed=config.seed
    )


def column(config: Config, who: str, name: str) -> str:
    """Return the column of the examples that someone reads a text from."""
    settings = config.data.code_switch
    switched = settings.probability and name in settings.fields
    return code_switch.column(name) if who == "student" and switched else name
