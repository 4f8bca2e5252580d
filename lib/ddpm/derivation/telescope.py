"""Steps D073 to D084: the bound's last five lines, down to a sum of KL divergences."""

import numpy as np

from lib.ddpm.derivation.bound import Q_PATHS, log_ratio
from lib.ddpm.derivation.quantities import CHAIN, Q, q_given_data, schedule
from lib.derivation import Steps, discrete, numeric, together

steps = Steps()
FROM_TWO = tuple(t for t in CHAIN.times if t > 1)
LAST = CHAIN.num_timesteps


def log_q(t):
    """log q(x_t | x_0)"""
    return np.log(q_given_data(CHAIN, t))


def log_posterior_ratio(t):
    """log of q(x_{t-1} | x_t, x_0) over p(x_{t-1} | x_t)"""
    return np.log(Q.bayes(CHAIN, t) / CHAIN.reverse(t))


def line_one():
    """What stands in the expectation of D068, on every path"""
    return np.log(Q_PATHS / CHAIN.p)


def same_as_line_one(terms):
    """The evidence that a line gives the same on every path"""
    return discrete(terms, line_one())


@steps.add(
    "D073",
    r"q(x_t\mid x_{t-1})",
    r"q(x_t\mid x_{t-1},x_0)",
    kind="discrete",
    title="a condition for free",
)
def _():
    r"""Markov once more, read the other way: who knows $x_{t-1}$ loses nothing by also naming $x_0$. It looks like
    a step back, but it opens the door to Bayes *with* the picture."""
    return together(
        *(
            discrete(CHAIN.conditional(CHAIN.q, (t,), (t - 1, 0)) - CHAIN.forward(t), 0)  # for every x_0 the same
            for t in FROM_TWO
        )
    )


@steps.add(
    "D074",
    r"q(x_t\mid x_{t-1},x_0)",
    r"\frac{q(x_{t-1}\mid x_t,x_0)\,q(x_t\mid x_0)}{q(x_{t-1}\mid x_0)}",
    kind="discrete",
    title="turn the step round",
)
def _():
    r"""D031, solved for the forward kernel. There is our posterior, and it points in the same direction as the
    model, from $x_t$ to $x_{t-1}$."""
    turned = (Q.bayes(CHAIN, t) * q_given_data(CHAIN, t) / q_given_data(CHAIN, t - 1) for t in FROM_TWO)
    posteriors = (CHAIN.conditional(CHAIN.q, (t - 1,), (t, 0)) for t in FROM_TWO)
    return together(
        *(discrete(kernel - CHAIN.forward(t), 0) for t, kernel in zip(FROM_TWO, turned, strict=True)),
        *(discrete(Q.bayes(CHAIN, t), posterior) for t, posterior in zip(FROM_TWO, posteriors, strict=True)),
    )


@steps.add(
    "D075",
    r"\log\frac{q(x_t\mid x_{t-1})}{p_\theta(x_{t-1}\mid x_t)}",
    r"\log\Big[\frac{q(x_{t-1}\mid x_t,x_0)}{p_\theta(x_{t-1}\mid x_t)}\cdot"
    r"\frac{q(x_t\mid x_0)}{q(x_{t-1}\mid x_0)}\Big]",
    kind="discrete",
    title="line 5: put it in",
)
def _():
    r"""For every $t\ge2$. The first fraction now compares like with like: two distributions of $x_{t-1}$. The
    second is a price that we paid for turning round, and it will nearly vanish."""
    turned = sum(log_posterior_ratio(t) + (log_q(t) - log_q(t - 1)) for t in FROM_TWO)
    return same_as_line_one(-np.log(CHAIN.prior) + turned + log_ratio(1))


@steps.add(
    "D076",
    r"\sum_{t=2}^T\log\Big[\frac{q(x_{t-1}\mid x_t,x_0)}{p_\theta(x_{t-1}\mid x_t)}\cdot"
    r"\frac{q(x_t\mid x_0)}{q(x_{t-1}\mid x_0)}\Big]",
    r"\sum_{t=2}^T\log\frac{q(x_{t-1}\mid x_t,x_0)}{p_\theta(x_{t-1}\mid x_t)}"
    r"+\sum_{t=2}^T\log\frac{q(x_t\mid x_0)}{q(x_{t-1}\mid x_0)}",
    kind="discrete",
    title="line 6: two sums",
)
def _():
    r"""The log of a product. The first sum holds all that the model is about; the second has no model in it at
    all."""
    posterior, price = sum(log_posterior_ratio(t) for t in FROM_TWO), sum(log_q(t) - log_q(t - 1) for t in FROM_TWO)
    return same_as_line_one(-np.log(CHAIN.prior) + posterior + price + log_ratio(1))


@steps.add(
    "D077",
    r"\sum_{t=2}^T\log\frac{q(x_t\mid x_0)}{q(x_{t-1}\mid x_0)}",
    r"[\log q_2-\log q_1]+[\log q_3-\log q_2]+\dots+[\log q_T-\log q_{T-1}],\quad q_t:=q(x_t\mid x_0)",
    kind="discrete",
    title="write the second sum out",
)
def _():
    r"""Do not believe the sum sign, look inside. Each term appears twice, with opposite signs, in neighbouring
    brackets."""
    written = (log_q(2) - log_q(1)) + (log_q(3) - log_q(2)) + (log_q(4) - log_q(3))
    return discrete(sum(np.log(q_given_data(CHAIN, t) / q_given_data(CHAIN, t - 1)) for t in FROM_TWO), written)


@steps.add(
    "D078",
    r"\log\frac{q(x_T\mid x_0)}{q(x_1\mid x_0)}",
    kind="discrete",
    title="line 7: the telescope closes",
)
def _():
    r"""Neighbours cancel, and only the two ends are left. Nothing was moved or re-indexed; the sum from 2 to $T$ is
    as it was."""
    price = sum(log_q(t) - log_q(t - 1) for t in FROM_TWO)
    posterior = sum(log_posterior_ratio(t) for t in FROM_TWO)
    line = -np.log(CHAIN.prior) + posterior + Q.telescoped(CHAIN) + log_ratio(1)
    return together(discrete(Q.telescoped(CHAIN), price), same_as_line_one(line))


@steps.add(
    "D079",
    r"\log\frac{q(x_T\mid x_0)}{q(x_1\mid x_0)}+\log\frac{q(x_1\mid x_0)}{p_\theta(x_0\mid x_1)}",
    r"\log q(x_T\mid x_0)-\log p_\theta(x_0\mid x_1)",
    kind="discrete",
    title="the first step cancels too",
)
def _():
    r"""$q(x_1\mid x_0)$ ends the telescope and begins the step that we put aside in D072: below in one, above in
    the other. It is easily forgotten, and then the bound is wrong by a whole entropy."""
    return discrete(Q.telescoped(CHAIN) + log_ratio(1), log_q(LAST) - np.log(CHAIN.reverse(1)))


@steps.add(
    "D080",
    r"-\log p_\theta(x_T)+\log q(x_T\mid x_0)+\sum_{t=2}^T\log\frac{q(x_{t-1}\mid x_t,x_0)}{p_\theta(x_{t-1}\mid x_t)}"
    r"-\log p_\theta(x_0\mid x_1)",
    r"\log\frac{q(x_T\mid x_0)}{p_\theta(x_T)}+\sum_{t=2}^T\log\frac{q(x_{t-1}\mid x_t,x_0)}{p_\theta(x_{t-1}\mid x_t)}"
    r"-\log p_\theta(x_0\mid x_1)",
    kind="discrete",
    title="line 8: end, middle, beginning",
)
def _():
    r"""Put the two terms with $x_T$ together. One term for the noise at the end, one for each step between, and one
    for the last stretch to the picture."""
    middle = sum(log_posterior_ratio(t) for t in FROM_TWO)
    end = Q.telescoped(CHAIN) + log_q(1) - np.log(CHAIN.prior)
    return same_as_line_one(end + middle - np.log(CHAIN.reverse(1)))


@steps.add(
    "D081",
    r"\mathbb E_q\Big[\log\frac{q(x_T\mid x_0)}{p_\theta(x_T)}\Big]",
    r"L_T=\mathbb E_{q(x_0)}D_{\mathrm{KL}}\big(q(x_T\mid x_0)\,\Vert\,p(x_T)\big)",
    kind="discrete",
    title="line 9: the end of the walk",
)
def _():
    r"""Now take the mean. Only $x_0$ and $x_T$ occur here, so average over $x_T$ first: that inner mean is a KL
    divergence by definition."""
    return discrete(CHAIN.mean(log_q(LAST) - np.log(CHAIN.prior)), Q.prior_term(CHAIN))


@steps.add(
    "D082",
    r"\mathbb E_q\Big[\log\frac{q(x_{t-1}\mid x_t,x_0)}{p_\theta(x_{t-1}\mid x_t)}\Big]",
    r"L_{t-1}=\mathbb E_{q(x_t,x_0)}D_{\mathrm{KL}}\big(q(x_{t-1}\mid x_t,x_0)\,\Vert\,p_\theta(x_{t-1}\mid x_t)\big)",
    kind="discrete",
    title="every step is a comparison",
)
def _():
    r"""Average over $x_{t-1}$ first, and then over what was given, $x_t$ and $x_0$; so an expectation *of* a KL
    divergence stays. The posterior sees the picture and the model does not: the model can only aim at the middle of
    all posteriors that fit $x_t$."""
    means = [CHAIN.mean(log_posterior_ratio(t)) for t in FROM_TWO]
    return discrete(means, [Q.middle_term(CHAIN, t) for t in FROM_TWO])


@steps.add(
    "D083",
    r"\mathbb E_q[-\log p_\theta(x_0\mid x_1)]",
    r"L_0,\quad L_{\mathrm{VLB}}=L_T+\sum_{t=2}^TL_{t-1}+L_0",
    kind="discrete",
    title="and the last stretch",
)
def _():
    r"""This one is no KL divergence but a likelihood: how well is the picture itself hit from $x_1$? With it the
    bound is complete, $T+1$ terms, and the nine lines have all given one number."""
    between = sum(Q.middle_term(CHAIN, t) for t in FROM_TWO)
    whole = Q.prior_term(CHAIN) + between + Q.data_term(CHAIN)
    return together(
        discrete(CHAIN.mean(-np.log(CHAIN.reverse(1))), Q.data_term(CHAIN)), discrete(whole, CHAIN.mean(line_one()))
    )


@steps.add("D084", r"L_T", r"\text{does not depend on}\ \theta", kind="numeric", title="one term needs no training")
def _():
    r"""Neither the forward process nor the noise at its end has anything to learn, so $L_T$ is a constant. It is
    small because the schedule goes far enough: 0.00003 bits for each number of a picture with unit variance."""
    mean, variance = Q.marginal(1.0, schedule()[1][-1])  # only x_0 squared enters, and its mean is 1
    return numeric(1e5 * float(Q.kl(mean, variance, 0, 1)) / np.log(2), 2.911, tol=1e-3)
