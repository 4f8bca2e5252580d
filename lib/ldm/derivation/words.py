"""Steps L18 to L22: attention from places to words, and how often Stable Diffusion uses it."""

import functools
from collections import Counter

import numpy as np
import sympy as sp

from lib.derivation import Steps, at_most, differ, normal_density, normal_expectation, numeric, symbolic, together
from lib.ldm.derivation.quantities import KEYS, QUERIES, VALUES, Q
from lib.ldm.sd import STABLE_DIFFUSION_1, stable_diffusion_unet
from lib.ldm.unet import cross_attention_sites

steps = Steps()


def variance_of_score(dim):
    """Of a score of two random vectors, from the moments of a normal number"""
    q, k = sp.symbols(f"q:{dim}", real=True), sp.symbols(f"k:{dim}", real=True)
    score = Q.logit(sum(one * other for one, other in zip(q, k, strict=True)), sp.Integer(dim))
    square = sp.expand(score**2)
    for symbol in (*q, *k):
        square = normal_expectation(square, symbol, 0, 1)
    return square


def largest_share(dim, with_root):
    """The mean of the largest of ten shares, for random queries and keys"""
    rng = np.random.default_rng(0)
    queries, keys = rng.standard_normal((1000, 1, dim)), rng.standard_normal((1000, 10, dim))
    products = (queries * keys).sum(-1)
    return Q.shares(Q.logit(products, dim) if with_root else products).max(-1).mean()


@steps.add(
    "L18",
    r"q^\top k=\sum_{j=1}^dq_jk_j,\quad q_j,k_j\sim\mathcal N(0,1)",
    r"\operatorname{Var}\frac{q^\top k}{\sqrt d}=1",
    kind="symbolic",
    title="the root of d",
)
def _():
    r"""The product of two such entries has variance 1, and $d$ of them add up to $d$; the root brings the spread of a
    score back to 1. Without it, scores of $d=64$ have a spread of 8, and the largest of ten shares is 0.87 on average
    instead of 0.32: one word takes nearly everything, and the softmax has hardly any slope left to learn from."""
    return together(
        symbolic(sp.Matrix([variance_of_score(dim) for dim in (1, 2, 3)]), sp.ones(3, 1)),
        at_most(largest_share(64, True), 0.34),
        at_most(0.85, largest_share(64, False)),
    )


@steps.add(
    "L19",
    r"A_{nl}=\frac{e^{q_n^\top k_l/\sqrt d}}{\sum_me^{q_n^\top k_m/\sqrt d}}",
    r"A_{nl}=p(l\mid q_n)\ \text{with}\ "
    r"\begin{aligned}q\mid l&\sim\mathcal N(k_l,\sqrt d\,I)\\p(l)&\propto e^{\lVert k_l\rVert^2/2\sqrt d}\end{aligned}",
    kind="numeric",
    title="attention is a posterior over words",
)
def _():
    r"""Think of each word $l$ as a cloud around its key, all clouds of one width, and ask from which of them the query
    of place $n$ came. Bayes' rule answers with the softmax: $\lVert q_n\rVert^2$ is the same for all words and cancels,
    $\lVert k_l\rVert^2$ says how common a word is. So the shares of a *place* sum to 1 over the words, and what it
    reads, $\sum_lA_{nl}v_l$, is a posterior mean."""
    width = np.sqrt(KEYS.shape[-1])
    clouds = normal_density(QUERIES[:, None], KEYS, width).prod(-1)  # [n, l]
    joint = Q.prior(KEYS) * clouds
    posterior = joint / joint.sum(1, keepdims=True)
    without_norms = clouds / clouds.sum(1, keepdims=True)
    shares = Q.shares(Q.scores(QUERIES, KEYS))
    return together(
        numeric(shares, posterior),
        numeric(shares.sum(1), 1.0),
        numeric(Q.attend(QUERIES, KEYS, VALUES), posterior @ VALUES),
        differ(shares, without_norms, by=0.05),
    )


@steps.add(
    "L20",
    r"u_{np}=\frac{q_n^\top k_p}{\sqrt d}\to-\infty\ \text{where}\ p\ \text{is padding}",
    r"A_{np}=0,\quad\frac{A_{nl}}{A_{nm}}=e^{u_{nl}-u_{nm}}\ \text{for words}\ l,m",
    kind="numeric",
    title="padding",
)
def _():
    r"""A share is $e^u$ over the sum of all of them, so a score of $-\infty$ gets exactly 0. The words keep their
    ratios and take over what padding had, as if it were not there. A score of 0 is no mask, for $e^0=1$; and shares
    that are set to 0 after the softmax no longer sum to 1."""
    mask, score = np.array([True, False, True]), Q.scores(QUERIES, KEYS)
    shares, words = Q.masked(score, mask), score[:, mask]
    zero_score = Q.shares(np.where(mask, score, 0.0))
    too_late = Q.shares(score) * mask
    return together(
        numeric(shares[:, ~mask], 0.0),
        numeric(shares[:, mask], Q.shares(words)),
        numeric(shares[:, 0] / shares[:, 2], np.exp(words[:, 0] - words[:, 1])),
        differ(zero_score, shares, by=0.1),
        differ(too_late.sum(1), 1.0, by=0.1),
    )


@steps.add(
    "L21",
    r"(k_l,v_l)\to(k_{\pi(l)},v_{\pi(l)})",
    r"\sum_lA_{n\pi(l)}\,v_{\pi(l)}=\sum_lA_{nl}\,v_l",
    kind="numeric",
    title="words have no order here",
)
def _():
    r"""A sum does not mind the order of its terms. Were keys and values made from the words alone, "a star left of a
    circle" and "a circle left of a star" would be the same text. The order must be in them already: the text encoder
    adds a position to each word before the words look at each other."""
    rng = np.random.default_rng(5)
    words, positions, to_key, to_value = (rng.standard_normal(shape) for shape in ((3, 4), (3, 4), (4, 4), (4, 2)))
    order = [2, 0, 1]

    def read(context):
        return Q.attend(QUERIES, context @ to_key, context @ to_value)

    said, turned = Q.context(words, positions), Q.context(words[order], positions)
    return together(
        numeric(read(said[order]), read(said)),
        numeric(read(words[order]), read(words)),
        differ(read(turned), read(said), by=0.1),
    )


@functools.cache
def built_sites():
    """Down, middle and up, counted in the network itself"""
    parts = Counter(name.split(".")[0] for name in cross_attention_sites(stable_diffusion_unet()))
    return parts["down"], parts["middle"], parts["up"]


@steps.add(
    "L22",
    r"\text{words at 64, 32 and 16 places across, not at 8}",
    r"2\cdot3+1+3\cdot3=6+1+9=16",
    kind="numeric",
    title="sixteen sites that look at the words",
)
def _():
    r"""On the way down Stable Diffusion 1 has two residual blocks at each of these sizes, on the way up three, and a
    transformer after each; one more stands in the middle. The blocks on the way down and up at 8 places have none, so
    "in every layer" says too much: that would be 21."""
    config = STABLE_DIFFUSION_1["unet"]
    everywhere = Q.sites(**config | {"attention_resolutions": (64, 32, 16, 8)})
    return together(
        numeric(Q.sites(**config), built_sites()),
        numeric(Q.sites(**config), [6, 1, 9]),
        numeric([sum(Q.sites(**config)), sum(everywhere)], [16, 21]),
    )
