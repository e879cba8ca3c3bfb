"""The distillation step as a PyTorch user writes it; run by `benchmarks.peer_step`.

    PYTHON benchmarks/torch_step.py FOLDER --model minilm --precision bfloat16 [--compile]

transformers' BertModel with a projection, the teacher without gradients in each step, cost 1 - cos,
a batched Sinkhorn plan in the scaling domain that is not differentiated, clipping, AdamW. Bfloat16
is torch.autocast. A run is a step for each of the batches in FOLDER/drawn.npz, which
are padded to their longest text.
"""

import argparse
import os
from pathlib import Path

import numpy as np
import torch
import transformers
from serve import serve

SIZES = {
    "tiny": (32, 2, 2, 64),
    "minilm": (384, 6, 12, 1536),
    "base": (768, 12, 12, 3072),
}


class Retriever(torch.nn.Module):
    """Unit vectors of tokens, one for each."""

    def __init__(self, size: str, vocabulary: int, projection: int) -> None:
        super().__init__()
        width, layers, heads, inner = SIZES[size]
        config = transformers.BertConfig(
            vocab_size=vocabulary,
            hidden_size=width,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            intermediate_size=inner,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        )
        self.bert = transformers.BertModel(config, add_pooling_layer=False)
        self.linear = torch.nn.Linear(width, projection, bias=False)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Encode ids [b l] under a mask [b l]."""
        hidden = self.bert(input_ids=ids, attention_mask=mask).last_hidden_state
        return torch.nn.functional.normalize(self.linear(hidden).float(), dim=-1)


def transport_plan(
    cost: torch.Tensor,
    a: torch.Tensor,
    b: torch.Tensor,
    epsilon: float,
    iterations: int,
) -> torch.Tensor:
    """Sinkhorn on cost [b m n]; padding has no mass."""
    kernel = (-cost / epsilon).exp()
    v = torch.ones_like(b)
    for _ in range(iterations):
        u = a / torch.bmm(kernel, v[:, :, None])[..., 0].clamp_min(1e-30)
        v = b / torch.bmm(kernel.transpose(1, 2), u[:, :, None])[..., 0].clamp_min(
            1e-30
        )
    return u[:, :, None] * kernel * v[:, None, :]


def make(args: argparse.Namespace):  # noqa: ANN201
    """Return what runs a step for each batch, and what it is made of."""
    torch.manual_seed(0)
    models = [Retriever(args.model, args.vocabulary, args.projection) for _ in range(2)]
    student, teacher = models[0].train(), models[1].eval().requires_grad_(False)
    optimizer = torch.optim.AdamW(student.parameters(), lr=2e-5, weight_decay=0.01)
    parameters = list(student.parameters())
    encode, encode_teacher = student, teacher
    if args.compile:
        encode, encode_teacher = torch.compile(student), torch.compile(teacher)
    with np.load(args.folder / "drawn.npz", allow_pickle=False) as stored:
        arrays = {name: torch.from_numpy(stored[name]).long() for name in stored.files}
    names = ("source_ids", "source_mask", "target_ids", "target_mask")
    batches = [
        [arrays[f"{i}/{name}"] for name in names]
        for i in range(len(arrays) // len(names))
    ]
    cast = torch.autocast(
        "cpu", dtype=torch.bfloat16, enabled=args.precision == "bfloat16"
    )
    mass = lambda mask: mask / mask.sum(1, keepdim=True)

    def step(source_ids, source_mask, target_ids, target_mask) -> float:  # noqa: ANN001
        with cast:
            with torch.no_grad():
                theirs = encode_teacher(source_ids, source_mask)
            ours = encode(target_ids, target_mask)
        cost = 1 - ours @ theirs.transpose(1, 2)
        with torch.no_grad():
            masses = mass(target_mask), mass(source_mask)
            plan = transport_plan(cost, *masses, args.epsilon, args.iterations)
        loss = (plan * cost).sum((1, 2)).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return float(loss.detach())

    return lambda: {"loss": [step(*batch) for batch in batches][-1]}


def main() -> None:
    """Make it, then answer."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", choices=SIZES, required=True)
    parser.add_argument("--precision", choices=("float32", "bfloat16"), required=True)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--vocabulary", type=int, required=True)
    parser.add_argument("--projection", type=int, required=True)
    parser.add_argument("--epsilon", type=float, required=True)
    parser.add_argument("--iterations", type=int, required=True)
    args = parser.parse_args()
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    ready = {"torch": torch.__version__, "transformers": transformers.__version__}
    run = make(args)
    try:
        run()
    except Exception as error:
        # Compiling needs a C++ compiler; that there is none is a result, too.
        if not args.compile:
            raise
        print(f"torch.compile: {error}", flush=True)
        ready["error"] = f"{type(error).__name__}: {str(error).splitlines()[0]}"[:200]
    serve(ready, run)


if __name__ == "__main__":
    main()
