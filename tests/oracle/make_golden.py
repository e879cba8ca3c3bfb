"""Make tests/models/golden: tiny random torch encoders and their hidden states.

    python -m tests.oracle.make_golden

BERT is written with the old LayerNorm spelling (gamma, beta) and a `bert.` prefix, XLM-R
with today's names, so that the files test the reader as well.
"""

from pathlib import Path

import numpy as np
import safetensors.torch
import torch
import transformers

from tests.oracle import torch_decoders, torch_models

# One of each kind of layer: mt5 shares its code with t5 and umt5.
FAMILIES = ("bert", "xlm-roberta", "xlm-roberta-xl", "modernbert", "mt5", "umt5")
TARGET = Path(__file__).parents[1] / "models" / "golden"


def write(model: transformers.PreTrainedModel, folder: Path, *, old: bool) -> None:
    """Write config, weights, a ragged batch and its hidden states."""
    folder.mkdir(parents=True, exist_ok=True)
    model.config.save_pretrained(folder)
    tensors = {
        k: v.contiguous()
        for k, v in model.state_dict().items()
        if not k.startswith(("pooler", "encoder.embed_tokens"))
    }
    if old:
        tensors = {f"bert.{old_spelling(k)}": v for k, v in tensors.items()}
    safetensors.torch.save_file(tensors, folder / "model.safetensors")
    ids, mask = torch_models.ragged_batch(model.config)
    hidden = torch_models.hidden_states(model, ids, mask)
    np.savez_compressed(folder / "expected.npz", ids=ids, mask=mask, hidden=hidden)


def old_spelling(name: str) -> str:
    """Spell a LayerNorm tensor as transformers 5.3 writes a model it has loaded."""
    return name.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
        "LayerNorm.bias", "LayerNorm.beta"
    )


def main() -> None:
    """Write one encoder of each family."""
    for name in FAMILIES:
        torch.manual_seed(0)
        write(torch_models.CASES[name](), TARGET / name, old=name == "bert")
    for name in torch_decoders.GOLDEN:
        torch.manual_seed(0)
        write(torch_decoders.MODELS[name](), TARGET / name, old=False)


if __name__ == "__main__":
    main()
