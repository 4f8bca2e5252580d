"""Steps D062 to D072: a bound on the negative log-likelihood, and its first four lines."""

import numpy as np

from lib.ddpm.derivation.quantities import CHAIN
from lib.derivation import Steps, at_most, discrete, together

steps = Steps()
LATER = tuple(CHAIN.times)  # x_1 … x_T
EVIDENCE = CHAIN.marginal(CHAIN.p, 0)  # p(x_0)
Q_PATHS = CHAIN.conditional(CHAIN.q, LATER, (0,))  # q(x_{1:T} | x_0)
P_PATHS = CHAIN.conditional(CHAIN.p, LATER, (0,))  # p(x_{1:T} | x_0)


def given_data(values):
    """E over q(x_{1:T} | x_0), for every x_0"""
    return CHAIN.marginal(Q_PATHS * values, 0)


def log_ratio(t):
    """log of q(x_t | x_{t-1}) over p(x_{t-1} | x_t)"""
    return np.log(CHAIN.forward(t) / CHAIN.reverse(t))


@steps.add(
    "D062",
    r"p_\theta(x_0)",
    r"\int p_\theta(x_T)\prod_{t=1}^Tp_\theta(x_{t-1}\mid x_t)\,dx_{1:T}",
    kind="discrete",
    title="how likely is a picture?",
)
def _():
    r"""The model draws noise and walks back, so a picture is as likely as all the ways that end in it, together.
    Compare the VAE: there one code, here $T$ of them in a row. Nobody can do this integral for a network."""
    message = CHAIN.prior
    for t in reversed(CHAIN.times):
        message = (message * CHAIN.reverse(t)).sum(t, keepdims=True)
    return together(discrete(message, EVIDENCE), discrete(EVIDENCE.sum(), 1))


@steps.add(
    "D063",
    r"-\log p_\theta(x_0)",
    r"\le-\log p_\theta(x_0)+D_{\mathrm{KL}}\big(q(x_{1:T}\mid x_0)\,\Vert\,p_\theta(x_{1:T}\mid x_0)\big)",
    kind="discrete",
    title="add something that is never negative",
)
def _():
    r"""The VAE's trick again, with the whole path in the role of the code: add the KL divergence from the paths
    that we can draw to those that the model would need. It is 0 only if the two agree."""
    divergence = given_data(np.log(Q_PATHS / P_PATHS))
    return together(
        at_most(0, divergence.min()),
        at_most(*((CHAIN.data * (extra - np.log(EVIDENCE))).sum() for extra in (0, divergence))),
    )


@steps.add(
    "D064",
    r"D_{\mathrm{KL}}\big(q(x_{1:T}\mid x_0)\,\Vert\,p_\theta(x_{1:T}\mid x_0)\big)",
    r"\mathbb E_{q(x_{1:T}\mid x_0)}\Big[\log\frac{q(x_{1:T}\mid x_0)}{p_\theta(x_{1:T}\mid x_0)}\Big]",
    kind="discrete",
    title="what the divergence means",
)
def _():
    r"""Its definition: walk forward from $x_0$ and ask at every path how much likelier it is under $q$ than under
    $p$. The mean is over $q$, which is what we can draw from."""
    parts = given_data(np.log(Q_PATHS)) - given_data(np.log(P_PATHS))
    return together(discrete(CHAIN.marginal(Q_PATHS, 0), 1), discrete(given_data(np.log(Q_PATHS / P_PATHS)), parts))


@steps.add(
    "D065",
    r"p_\theta(x_{1:T}\mid x_0)",
    r"\frac{p_\theta(x_{0:T})}{p_\theta(x_0)}",
    kind="discrete",
    title="the model's own paths",
)
def _():
    r"""The model's conditional is its joint over its evidence. The joint is easy, a product of $T+1$ factors; the
    evidence is the thing that we cannot compute."""
    return discrete(P_PATHS * EVIDENCE, CHAIN.p)


@steps.add(
    "D066",
    r"\log\frac{q(x_{1:T}\mid x_0)}{p_\theta(x_{0:T})/p_\theta(x_0)}",
    r"\log\frac{q(x_{1:T}\mid x_0)}{p_\theta(x_{0:T})}+\log p_\theta(x_0)",
    kind="discrete",
    title="set the evidence free",
)
def _():
    r"""The log of a quotient is a difference. The evidence does not depend on the path, so any mean over paths
    leaves it as it is."""
    return discrete(np.log(Q_PATHS / P_PATHS), np.log(Q_PATHS / CHAIN.p) + np.log(EVIDENCE))


@steps.add(
    "D067",
    r"-\log p_\theta(x_0)+\mathbb E_q\Big[\log\frac{q(x_{1:T}\mid x_0)}{p_\theta(x_{0:T})}\Big]+\log p_\theta(x_0)",
    r"\mathbb E_{q(x_{1:T}\mid x_0)}\Big[\log\frac{q(x_{1:T}\mid x_0)}{p_\theta(x_{0:T})}\Big]",
    kind="discrete",
    title="and it cancels",
)
def _():
    r"""The two evidences go, and what remains can be computed. Jensen's inequality gives the same line in one move;
    the longer way shows *what* is lost, namely the KL divergence of D063."""
    return discrete(-np.log(EVIDENCE) + given_data(np.log(Q_PATHS / P_PATHS)), given_data(np.log(Q_PATHS / CHAIN.p)))


@steps.add(
    "D068",
    r"\mathbb E_{q(x_0)}[-\log p_\theta(x_0)]",
    r"\le L_{\mathrm{VLB}}=\mathbb E_{q(x_{0:T})}\Big[\log\frac{q(x_{1:T}\mid x_0)}{p_\theta(x_{0:T})}\Big]",
    kind="discrete",
    title="line 1: over all pictures",
)
def _():
    r"""Average over the data: this is the bound that we train. Eight more lines only write the same number
    differently; the checks compare them on a small chain, up to line 8 on every single path."""
    bound, likelihood = CHAIN.mean(np.log(Q_PATHS / CHAIN.p)), -(CHAIN.data * np.log(EVIDENCE)).sum()
    slack = CHAIN.mean(np.log(Q_PATHS / P_PATHS))
    return together(at_most(likelihood, bound), discrete(bound - likelihood, slack))


@steps.add(
    "D069",
    r"\log\frac{q(x_{1:T}\mid x_0)}{p_\theta(x_{0:T})}",
    r"\log\frac{\prod_{t=1}^Tq(x_t\mid x_{t-1})}{p_\theta(x_T)\prod_{t=1}^Tp_\theta(x_{t-1}\mid x_t)}",
    kind="discrete",
    title="line 2: both are chains",
)
def _():
    r"""Forward by D004, backward by the way the model is built: one factor for each step. The model has one more,
    the noise it starts from."""
    above, below = np.ones(CHAIN.shape), CHAIN.prior
    for t in CHAIN.times:
        above, below = above * CHAIN.forward(t), below * CHAIN.reverse(t)
    return discrete(np.log(above / below), np.log(Q_PATHS / CHAIN.p))


@steps.add(
    "D070",
    r"\sum_{t=1}^T\log q(x_t\mid x_{t-1})-\sum_{t=1}^T\log p_\theta(x_{t-1}\mid x_t)-\log p_\theta(x_T)",
    kind="discrete",
    title="line 3: products become sums",
)
def _():
    r"""The logarithm does what it is loved for. Three parts: all steps forth, all steps back, and the start of the
    way back."""
    forth, back = (sum(np.log(kernel(t)) for t in CHAIN.times) for kernel in (CHAIN.forward, CHAIN.reverse))
    return discrete(forth - back - np.log(CHAIN.prior), np.log(Q_PATHS / CHAIN.p))


@steps.add(
    "D071",
    r"-\log p_\theta(x_T)+\sum_{t=1}^T\log\frac{q(x_t\mid x_{t-1})}{p_\theta(x_{t-1}\mid x_t)}",
    kind="discrete",
    title="pair each step with its way back",
)
def _():
    r"""Steps with the same $t$ belong together. Look at such a pair, though: above stands $x_t$ given $x_{t-1}$,
    below it is the other way round. No KL divergence can be made of that yet."""
    paired = sum(log_ratio(t) for t in CHAIN.times)
    return discrete(-np.log(CHAIN.prior) + paired, np.log(Q_PATHS / CHAIN.p))


@steps.add(
    "D072",
    r"-\log p_\theta(x_T)+\sum_{t=2}^T\log\frac{q(x_t\mid x_{t-1})}{p_\theta(x_{t-1}\mid x_t)}"
    r"+\log\frac{q(x_1\mid x_0)}{p_\theta(x_0\mid x_1)}",
    kind="discrete",
    title="line 4: the first step stands apart",
)
def _():
    r"""We are about to turn every forward step round, given $x_0$. For $t=1$ that makes no sense, since the step
    back from $x_1$ to $x_0$ given $x_0$ leaves nothing to guess; so it steps aside."""
    others = sum(log_ratio(t) for t in CHAIN.times if t > 1)
    return discrete(-np.log(CHAIN.prior) + others + log_ratio(1), np.log(Q_PATHS / CHAIN.p))
