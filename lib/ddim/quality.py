"""Pictures drawn over any levels with any share of noise, for tables and cards."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lib.ddim.sampling import sample
from lib.ddpm.quality import in_chunks
from lib.ddpm.sampling import last


def draw(
    model: nn.Module,
    num: int,
    size: int,
    levels: Sequence[int],
    *,
    alpha_bar: Float[Tensor, " levels"],
    target: str,
    eta: float = 0.0,
    sigma_hat: bool = False,
    seed: int = 0,
    chunk: int = 64,
) -> Float[Tensor, "N 3 S S"]:
    """``num`` pictures from a model, in [-1, 1], some at a time; one seed gives every setting the same x_T."""

    def walk(size_of_chunk: int, generator: torch.Generator) -> Tensor:
        shape = (size_of_chunk, 3, size, size)
        settings = {"levels": levels, "eta": eta, "sigma_hat": sigma_hat, "target": target, "clip": True}
        return last(sample(model, shape, alpha_bar, generator, **settings)).x_t

    return in_chunks(walk, num, next(model.parameters()).device, seed, chunk)
