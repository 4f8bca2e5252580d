"""Chapter 1: the autoencoder.

Hinton & Salakhutdinov 2006, "Reducing the dimensionality of data with neural networks", Science 313, 504-507.
Bourlard & Kamp 1988 and Baldi & Hornik 1989: the linear autoencoder is PCA.

| in the text | here |
|---|---|
| z = f(x), the code; x̂ = g(z), the reconstruction | `AutoEncoder.encode`, `.decode`; `Encoder`, `Decoder` |
| L = mean over pictures of ‖x − x̂‖² | `reconstruction_loss` |
| x̂ = D(Ex + c) + b | `LinearAutoEncoder` |
| Y = A Σ Vᵀ; the first rows of Vᵀ | `pca`, `PrincipalComponents`, `subspace_angle` |
| z(w) = (1 − w) z_a + w z_b | `interpolate` |
| a Gaussian fitted to the codes; kernels around them | `fit_gaussian`, `sample_gaussian`; `sample_kde` |
| every step from the linear autoencoder to PCA | `lib.ae.derivation` |
"""

from .codes import count_distinct, fit_gaussian, in_chunks, interpolate, sample_gaussian, sample_kde
from .loss import autoencoder_loss, reconstruction_loss
from .model import AutoEncoder, Decoder, Encoder, LinearAutoEncoder, num_parameters
from .pca import PrincipalComponents, pca, subspace_angle

__all__ = [
    "AutoEncoder",
    "Decoder",
    "Encoder",
    "LinearAutoEncoder",
    "PrincipalComponents",
    "autoencoder_loss",
    "count_distinct",
    "fit_gaussian",
    "in_chunks",
    "interpolate",
    "num_parameters",
    "pca",
    "reconstruction_loss",
    "sample_gaussian",
    "sample_kde",
    "subspace_angle",
]
