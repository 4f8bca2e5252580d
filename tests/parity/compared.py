"""What comparisons with other implementations need: fixed inputs, weights that all matter, the largest difference."""

import torch
from torch import nn

TOLERANCE = 1e-5


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def gap(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    return (ours - theirs).abs().max().item()


def randomized(model: nn.Module) -> nn.Module:
    """The same model with weights large enough that every one of them matters."""
    for number, parameter in enumerate(model.parameters()):
        if parameter.ndim > 1:
            parameter.data = normal(*parameter.shape, seed=number) * parameter[0].numel() ** -0.5
        else:
            parameter.data = parameter.data + 0.2 * normal(*parameter.shape, seed=number)
    return model
