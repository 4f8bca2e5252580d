"""From the nearest code to the Gumbel relaxation, in eighteen executed steps.

`CODES_AND_GRADIENTS.show(zoom=5)` in a notebook, `.verify()` to run every check, `.sabotage(...)` to break a formula.
"""

from lib.derivation import Derivation, Group
from lib.vqvae.derivation import bits, codebook, gradient
from lib.vqvae.derivation.quantities import Q

CODES_AND_GRADIENTS = Derivation(
    name="vqvae.codes",
    title="From the nearest code to the loss, the bound and the relaxation",
    steps=(*gradient.steps, *codebook.steps, *bits.steps),
    zoom={
        5: [
            Group("a gradient through a choice", "C01", "C05"),
            Group("the three terms", "C06", "C07"),
            Group("a codebook that follows", "C08", "C12"),
            Group("what a grid of codes costs", "C13", "C16"),
            Group("the other road: Gumbel noise", "C17", "C18"),
        ]
    },
    quantities=Q,
)

__all__ = ["CODES_AND_GRADIENTS"]
