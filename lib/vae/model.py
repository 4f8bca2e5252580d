"""The variational autoencoder: the halves of chapter 1, the encoder with two heads, and one line of noise between."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lib.ae import Decoder, Encoder


def reparameterize(
    mu: Float[Tensor, "B D"],
    logvar: Float[Tensor, "B D"],
    generator: torch.Generator | None = None,
    *,
    eps: Float[Tensor, "..."] | None = None,
) -> Float[Tensor, "B D"]:
    """A code drawn from N(mu, diag exp(logvar)), written so that gradients reach mu and logvar: z = mu + sigma·eps.

    Args:
        mu: mean of each code dimension.
        logvar: logarithm of its variance; sigma = exp(logvar / 2).
        generator: source of the noise, for repeatable runs.
        eps: the noise itself instead of a generator, with an entry of its own for every picture and dimension.

    Raises:
        ValueError: if ``mu``, ``logvar`` and ``eps`` differ in shape; broadcast noise would be shared noise.

    Source: Kingma and Welling 2014, arXiv:1312.6114, section 2.4.
    """
    if mu.shape != logvar.shape:
        raise ValueError(f"mu and logvar must have the same shape, got {tuple(mu.shape)} and {tuple(logvar.shape)}")
    if eps is None:
        eps = torch.randn(mu.shape, generator=generator, dtype=mu.dtype, device=mu.device)
    elif eps.shape != mu.shape:
        raise ValueError(
            f"eps must have the shape of mu, one draw for each value, got {tuple(eps.shape)} for {tuple(mu.shape)}"
        )
    sigma = torch.exp(logvar / 2)
    return mu + sigma * eps


class VAE(nn.Module):
    """An autoencoder whose encoder answers with a Gaussian: a mean and a log variance for each code dimension.

    Args:
        latent_dim: length D of the code z.
        channels: widths from the full picture down to 4 x 4, of both halves.
        hidden: width of the linear layer in each half.
        size: height and width of the pictures.
        encoder_channels: widths of the encoder where they differ from the decoder's.

    Source: Kingma and Welling 2014, arXiv:1312.6114, appendix C.2 (Gaussian encoder); convolutions in place of their
    fully connected layers.
    """

    def __init__(
        self,
        latent_dim: int,
        channels: tuple[int, ...] = (32, 48, 64, 96),
        hidden: int = 256,
        size: int = 32,
        encoder_channels: tuple[int, ...] | None = None,
    ):
        super().__init__()
        self.latent_dim = latent_dim
        self.encoder = Encoder(2 * latent_dim, encoder_channels or channels, hidden, size)  # one trunk, two heads
        self.decoder = Decoder(latent_dim, channels, hidden, size)

    def encode(self, x: Float[Tensor, "B 3 S S"]) -> tuple[Float[Tensor, "B D"], Float[Tensor, "B D"]]:
        """Mean and log variance of q(z|x): the first half of the encoder's output, and the second.

        Both leave in the precision of the pictures: the network may compute in bfloat16, and an exponential follows.
        """
        mu, logvar = self.encoder(x).to(x.dtype).chunk(2, dim=1)
        return mu, logvar

    def decode(self, z: Float[Tensor, "B D"]) -> Float[Tensor, "B 3 S S"]:
        return self.decoder(z)

    def forward(
        self, x: Float[Tensor, "B 3 S S"], generator: torch.Generator | None = None
    ) -> tuple[Float[Tensor, "B 3 S S"], Float[Tensor, "B D"], Float[Tensor, "B D"]]:
        mu, logvar = self.encode(x)  # (B, D) each
        z = reparameterize(mu, logvar, generator)  # (B, D)
        return self.decode(z), mu, logvar

    @torch.no_grad()
    def sample(self, num: int, generator: torch.Generator | None = None) -> Float[Tensor, "N 3 S S"]:
        """New pictures: ``num`` codes from the prior N(0, I), decoded."""
        like = next(self.parameters())
        z = torch.randn(num, self.latent_dim, generator=generator, dtype=like.dtype, device=like.device)
        return self.decode(z)


class LinearVAE(nn.Module):
    """The smallest VAE: everything that can be is linear, so its optimum is known in closed form.

    x_hat = W z + b, mu = V x + c, and one log variance for each code dimension, the same for every x. At the maximum
    of the ELBO it is probabilistic PCA: directions whose data variance is above pixel_std² carry code, the others
    collapse.

    Args:
        num_values: length of one data vector.
        latent_dim: length of the code.

    Source: Lucas et al. 2019, arXiv:1911.02469, section 4.
    """

    def __init__(self, num_values: int, latent_dim: int):
        super().__init__()
        self.latent_dim = latent_dim
        self.encoder = nn.Linear(num_values, latent_dim)
        self.logvar = nn.Parameter(torch.zeros(latent_dim))
        self.decoder = nn.Linear(latent_dim, num_values)

    def encode(self, x: Float[Tensor, "B P"]) -> tuple[Float[Tensor, "B D"], Float[Tensor, "B D"]]:
        return self.encoder(x), self.logvar.expand(len(x), -1)

    def decode(self, z: Float[Tensor, "B D"]) -> Float[Tensor, "B P"]:
        return self.decoder(z)

    def forward(
        self, x: Float[Tensor, "B P"], generator: torch.Generator | None = None
    ) -> tuple[Float[Tensor, "B P"], Float[Tensor, "B D"], Float[Tensor, "B D"]]:
        mu, logvar = self.encode(x)
        return self.decode(reparameterize(mu, logvar, generator)), mu, logvar
