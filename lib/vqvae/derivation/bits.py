"""Steps C13-C18: what a grid of codes costs, and the road by Gumbel noise."""

import numpy as np

from lib.derivation import Steps, at_most, discrete, integrate, numeric, quadrature, together
from lib.vqvae.derivation.quantities import LIKELIHOODS, LOGITS, SHARES, K, Q, softmax

steps = Steps()


@steps.add(
    "C13",
    r"\log p(x) = \log \sum_j p(j)\, p(x \mid j)",
    r"\log p(x) \ge \log p(x \mid k) + \log p(k)",
    kind="discrete",
    title="one term of a sum",
)
def _():
    """All terms are positive, so the sum is at least its largest. That is the bound of chapter 2 for a posterior that
    is *sure* of one code: nothing has to be drawn, nothing reparameterised."""
    prior = np.full(K, 1 / K)
    best = LIKELIHOODS.argmax()
    return at_most(np.log(LIKELIHOODS[best]) + np.log(prior[best]), np.log(prior @ LIKELIHOODS))


@steps.add(
    "C14",
    r"D_{\mathrm{KL}}(q\,\Vert\,p) = \sum_j q(j \mid x) \log \frac{q(j \mid x)}{1/K}",
    r"\log K",
    kind="discrete",
    title="the rate is a constant",
)
def _():
    """With everything on one code, one term remains: $1 \\cdot \\log K$, whatever the picture. There is no gradient in
    it, so it can be left out of the loss, and *it cannot press the code into collapse*, as in a VAE. But when
    the two are compared it has to be counted."""
    sure = np.eye(K)[2]
    kl = sum(q * np.log(q * K) for q in sure if q > 0)
    return discrete(kl, Q.rate_of_sure(K))


@steps.add(
    "C15",
    r"-\sum_j p_j \log_2 p(j)",
    r"\mathcal H + \sum_j p_j \log_2 \frac{p_j}{p(j)} \ge \mathcal H",
    kind="discrete",
    title="a prior makes it cheaper",
)
def _():
    """Unequal codes can be named in fewer than $\\log_2 K$ bits: short names for frequent ones. With the shares $p_j$
    and a prior $p(j)$, the mean cost is the entropy $\\mathcal H$ of the shares plus what the prior is wrong by. A
    prior that looks at the neighbours goes below even that, to the entropy *given them*."""
    prior = np.array([0.4, 0.3, 0.15, 0.1, 0.05])
    cost = -SHARES @ np.log2(prior)
    wrong = sum(p * np.log2(p / q) for p, q in zip(SHARES, prior, strict=True) if p > 0)
    bits = Q.entropy_bits(SHARES)
    return together(discrete(cost, bits + wrong), at_most(bits, cost), at_most(cost, np.log2(K)))


@steps.add(
    "C16",
    r"\text{perplexity} = 2^{\mathcal H}, \quad 1 \le 2^{\mathcal H} \le K",
    kind="discrete",
    title="how many codes are in use",
)
def _():
    """Two to the entropy is the number of codes that, used equally often, would be as varied. All shares equal: $K$.
    One code alone: 1. Shares 1/2, 1/4, 1/8, 1/8: $2^{1.75}$, not four."""
    equal, alone = np.full(K, 1 / K), np.eye(K)[0]
    return together(
        discrete([Q.perplexity(Q.entropy_bits(p)) for p in (equal, alone, SHARES)], [K, 1, 2**1.75]),
        at_most(Q.perplexity(Q.entropy_bits(SHARES)), np.count_nonzero(SHARES)),
    )


@steps.add(
    "C17",
    r"P\left(j = \arg\max\, (l + g)\right), \quad g_j = -\log(-\log u_j)",
    r"\frac{\exp l_j}{S}, \quad S = \sum_j \exp l_j",
    kind="quadrature",
    title="a draw by the largest sum",
)
def _():
    """The other road: a posterior that is *not* sure, drawn from without losing the gradient. Add independent Gumbel
    noise $g_j$ to the logits $l_j$ and take the largest: integrate over $g_j$ the chance that all others stay below.
    The softmax comes out exactly."""

    def chance(j: int) -> float:
        others = np.delete(LOGITS, j)
        below = lambda g: np.prod([Q.gumbel_below(LOGITS[j] + g - other) for other in others], axis=0)  # noqa: E731
        return integrate(lambda g: Q.gumbel_density(g) * below(g), low=-6, high=40, num=20001)

    return quadrature([chance(j) for j in range(len(LOGITS))], softmax(LOGITS))


@steps.add(
    "C18",
    r"y = \operatorname{softmax}\left( \frac{l + g}{\tau} \right)",
    r"\frac{\partial y_j}{\partial l_j} = \frac{y_j\, (1 - y_j)}{\tau}, \quad y \to \text{one-hot as } \tau \to 0",
    kind="numeric",
    title="and a soft version of it",
)
def _():
    """A softmax in place of the argmax has a gradient (for the logit of another code it is minus the product of both
    weights, over $\\tau$). At a low temperature $\\tau$ it is nearly the draw itself and
    the gradient is wild; at a high one the decoder sees *mixtures of codes*, which it never gets later."""
    noise, tau, step = np.array([0.2, -0.4, 2.1, 0.3]), 0.7, 1e-5
    y = Q.relaxed(LOGITS, noise, tau)
    shifted = [
        (Q.relaxed(LOGITS + step * row, noise, tau) - Q.relaxed(LOGITS - step * row, noise, tau)) / (2 * step)
        for row in np.eye(4)
    ]
    jacobian = (np.diag(y) - np.outer(y, y)) / tau
    cold = Q.relaxed(LOGITS, noise, 0.005)
    return together(numeric(np.array(shifted), jacobian, tol=1e-8), numeric(cold, np.eye(4)[(LOGITS + noise).argmax()]))
