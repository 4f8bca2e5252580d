"""What an autoencoder minimises."""

import torch
from einops import reduce
from jaxtyping import Float
from torch import Tensor, nn


def reconstruction_loss(x_hat: Float[Tensor, "B ..."], x: Float[Tensor, "B ..."]) -> Float[Tensor, ""]:
    """Squared distance between picture and reconstruction: summed over the values of a picture, averaged over pictures.

    L = (1/B) Σ_b ‖x_b − x̂_b‖². The sum (not the mean) over values is what the Gaussian likelihood of chapter 2
    contains; divide by the number of values for the mean squared error.

    Raises:
        ValueError: if the shapes differ; broadcasting would compare the wrong values without a word.
    """
    if x_hat.shape != x.shape:
        raise ValueError(f"x_hat and x must have the same shape, got {tuple(x_hat.shape)} and {tuple(x.shape)}")
    return reduce((x_hat - x).square(), "b ... -> b", "sum").mean()


def autoencoder_loss(model: nn.Module, x: Float[Tensor, "B ..."], generator: torch.Generator) -> Float[Tensor, ""]:
    """The loss in the form that every training of the course takes; the generator is not used, nothing here is random.

    ``.float()`` because the network may compute in bfloat16, whose seven binary digits are too few for squares.
    """
    return reconstruction_loss(model(x).float(), x)
