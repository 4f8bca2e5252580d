"""The VAE objective, derived in 35 steps that are all executed.

`ELBO.show()` shows it with a zoom, `ELBO.verify()` runs every check, `ELBO.sabotage(kl=…)` tells which steps notice a
wrong formula. The steps stand in five files in their order: `bound`, `loss`, `kl`, `gradients`, `dataset`.

Source: Kingma and Welling 2014, arXiv:1312.6114, section 2 and appendix B; the decomposition of the KL term: Hoffman
and Johnson 2016; the linear VAE: Lucas et al. 2019, arXiv:1911.02469.
"""

from lib.derivation import Derivation, Group
from lib.vae.derivation import bound, dataset, gradients, kl, loss
from lib.vae.derivation.quantities import Q

_BOUND = r"\log p_\theta(x)=\mathrm{ELBO}+D_{\mathrm{KL}}\big(q_\phi(z\mid x)\,\Vert\,p_\theta(z\mid x)\big)"
_LOSS = r"-\mathrm{ELBO}=\mathbb E_q\Big[\frac{\lVert x-\hat x\rVert^2}{2s^2}\Big]+D_{\mathrm{KL}}+\text{const}"
_KL = r"D_{\mathrm{KL}}=\tfrac12\sum_j\big(\mu_j^2+\sigma_j^2-\log\sigma_j^2-1\big)"
_PATH = r"\nabla_\phi\mathbb E_q[f(z)]=\mathbb E_\epsilon\big[\nabla_\phi f(\mu+\sigma\epsilon)\big]"
_TWO_BILLS = (
    r"\mathbb E_xD_{\mathrm{KL}}\big(q(z\mid x)\,\Vert\,p(z)\big)=I_q(x;z)+D_{\mathrm{KL}}\big(q(z)\,\Vert\,p(z)\big)"
)

ZOOM = {
    5: (
        Group("From the evidence to a bound", "V01", "V09", _BOUND),
        Group("The bound as a loss", "V10", "V14", _LOSS),
        Group("The KL divergence in closed form", "V15", "V22", _KL),
        Group("A gradient through random codes", "V23", "V28", _PATH),
        Group("All pictures together, and collapse", "V29", "V35", _TWO_BILLS),
    ),
    10: (
        Group("A bound on the evidence", "V01", "V04"),
        Group("The gap is a KL divergence", "V05", "V09", _BOUND),
        Group("Reconstruction minus KL", "V10", "V11"),
        Group("Squared error and its weight", "V12", "V14", _LOSS),
        Group("The KL, coordinate by coordinate", "V15", "V19", _KL),
        Group(
            "Log variance, pull, and order",
            "V20",
            "V22",
            r"\tfrac12\big(\mu^2+e^\ell-\ell-1\big),\quad\ell=\log\sigma^2",
        ),
        Group("Two ways to the gradient", "V23", "V26", _PATH),
        Group(
            "One draw, and its noise",
            "V27",
            "V28",
            r"\frac{\mu^4}{\sigma^2}+14\mu^2+15\sigma^2\ \text{against}\ 4\sigma^2",
        ),
        Group("Information and mismatch", "V29", "V32", _TWO_BILLS),
        Group("Collapse", "V33", "V35", r"w^2=\max(\lambda-s^2,\,0)"),
    ),
}

ELBO = Derivation(
    name="vae.elbo",
    title="From the evidence of a picture to the loss of the VAE",
    steps=(*bound.steps, *loss.steps, *kl.steps, *gradients.steps, *dataset.steps),
    zoom=ZOOM,
    quantities=Q,
)
