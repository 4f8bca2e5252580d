"""Steps L09 to L13: what the critic of the first stage learns, what it tells the decoder, and how loudly."""

import itertools

import numpy as np
import sympy as sp

from lib.derivation import Steps, at_most, differ, discrete, normal_density, numeric, symbolic, together
from lib.ldm.derivation.quantities import MADE, REAL, TIES, Q, c

steps = Steps()


@steps.add(
    "L09",
    r"\min_D\;\tfrac12\sum_x\big[p\,(1-D)_++q\,(1+D)_+\big]",
    r"D^*(x)=\operatorname{sign}\big(p(x)-q(x)\big)",
    kind="discrete",
    title="the best critic",
)
def _():
    r"""Here $p$ is the share of a patch $x$ among real ones, $q$ its share among made ones, and $(\cdot)_+$ is the
    larger of a number and 0. At each patch the cost is made of straight pieces with corners at $D=\pm1$, so a corner is
    best: $+1$ where real is more frequent, $-1$ where made is. Where both are as frequent, every $D$ from $-1$ to 1
    costs the same."""
    answers = np.linspace(-3, 3, 121)[:, None]
    cost = Q.critic_cost(REAL, MADE, answers)
    best = answers[cost.argmin(0), 0]
    unsure = cost[(np.abs(answers) <= 1 + 1e-9)[:, 0]][:, TIES]
    clear = np.sort(cost, axis=0)[:2, ~TIES]  # the best and the second best of all answers
    return together(
        discrete(Q.best_critic(REAL, MADE)[~TIES], best[~TIES]),
        at_most(1e-3, (clear[1] - clear[0]).min()),
        discrete(unsure, np.broadcast_to(unsure[:1], unsure.shape)),
        discrete(Q.critic_cost(REAL, MADE, Q.best_critic(REAL, MADE)), cost.min(0)),
    )


@steps.add(
    "L10",
    r"\tfrac12\sum_x\big[p\,(1-D^*)_++q\,(1+D^*)_+\big]",
    r"\sum_x\min(p,q)=1-\mathrm{TV}(p,q),\quad\mathrm{TV}=\tfrac12\sum_x\lvert p-q\rvert",
    kind="discrete",
    title="its loss is an overlap",
)
def _():
    r"""With the best answer each patch costs the smaller of its two shares: what real and made have in common there.
    One minus the loss is a distance, the total variation TV, which is the largest difference that any question with the
    answers yes and no can find. So a loss of 1 says that both are alike, and 0 that the critic never errs; written
    without the half, as often in papers, it is $2-2\,\mathrm{TV}$."""
    loss = Q.critic_cost(REAL, MADE, Q.best_critic(REAL, MADE)).sum()
    questions = np.array(list(itertools.product([0, 1], repeat=len(REAL))))
    apart = np.eye(6)[:2]
    return together(
        discrete(loss, np.minimum(REAL, MADE).sum()),
        discrete(loss, 1 - Q.total_variation(REAL, MADE)),
        discrete(Q.total_variation(REAL, MADE), np.abs(questions @ (REAL - MADE)).max()),
        discrete(Q.critic_cost(REAL, REAL, Q.best_critic(REAL, REAL)).sum(), 1.0),
        discrete(Q.critic_cost(*apart, Q.best_critic(*apart)).sum(), 0.0),
    )


@steps.add(
    "L11",
    r"-\mathbb E_q[D^*]=2\,\mathrm{TV}-\mathbb E_p[D^*]",
    r"\frac{\partial\,(-\mathbb E_q[D^*])}{\partial q(x)}=-D^*(x)=\frac{\partial\,2\,\mathrm{TV}}{\partial q(x)}",
    kind="discrete",
    title="what the decoder is told",
)
def _():
    r"""The decoder minimises minus the mean mark of what it made, while the critic stands still. To move a little mass
    from one patch to another then gains exactly what it takes off $2\,\mathrm{TV}$, ties aside: the decoder goes
    downhill on the distance of L10, without half and hinge, which belong to the critic. This holds for mass that moves
    between finitely many patches. A picture moves along the slope of $D$, and a critic that is already the best one,
    $\pm1$ everywhere, has none to follow; so in practice a critic is never trained to its best."""
    critic, told, distance, moved = Q.best_critic(REAL, MADE), [], [], 0.01
    for source, goal in itertools.permutations(np.flatnonzero(~TIES), 2):
        changed = MADE.copy()
        changed[source] -= moved
        changed[goal] += moved
        told.append(Q.fool(changed, critic) - Q.fool(MADE, critic))
        distance.append(2 * Q.total_variation(REAL, changed) - 2 * Q.total_variation(REAL, MADE))
    x = np.linspace(-4, 5, 900)  # a picture of one pixel
    along = Q.best_critic(normal_density(x, 0.0, 1.0), normal_density(x, 1.0, 1.0))
    return together(
        discrete(Q.fool(MADE, critic), 2 * Q.total_variation(REAL, MADE) - REAL @ critic),
        discrete(told, distance),
        discrete(np.count_nonzero(np.diff(along)), 1),  # flat but for one jump, where made overtakes real
    )


def length(vector):
    """Of symbols"""
    return sp.sqrt(sum(entry**2 for entry in vector))


def direction(vector):
    """Of numbers"""
    return vector / np.linalg.norm(vector)


@steps.add(
    "L12",
    r"g_r=\nabla_WL_{\text{rebuild}},\quad g_f=\nabla_WL_{\text{fool}}",
    r"\omega=\frac{\lVert g_r\rVert}{\lVert g_f\rVert}\quad\Rightarrow\quad\lVert\omega\,g_f\rVert=\lVert g_r\rVert",
    kind="symbolic",
    title="equally loud",
)
def _():
    r"""Both losses pull at the weights $W$ of the decoder's last layer, and $\omega$ makes the second pull as long as
    the first. Multiply the loss for fooling by $c$: its weight is divided by $c$, and the sum of both pulls stays the
    same. Multiply the reconstruction by $c$: the sum becomes longer but does not turn, as it would with a fixed
    weight."""
    rebuild, fool = sp.Matrix(sp.symbols("r_1 r_2", positive=True)), sp.Matrix(sp.symbols("f_1 f_2", positive=True))
    omega = Q.ratio(length(rebuild), length(fool))
    both = rebuild + omega * fool
    louder = rebuild + Q.ratio(length(rebuild), c * length(fool)) * c * fool
    stronger = c * rebuild + Q.ratio(c * length(rebuild), length(fool)) * fool
    fixed = [direction(np.array([3.0, 0.0]) + factor * np.array([0.0, 1.0])) for factor in (1.0, 4.0)]
    return together(
        symbolic(omega * length(fool), length(rebuild)),
        symbolic(louder, both),
        symbolic(stronger, c * both),
        differ(*fixed, by=0.4),
    )


@steps.add(
    "L13",
    r"\omega=\frac{\lVert g_r\rVert}{\lVert g_f\rVert}",
    r"\omega=\min\Big(\frac{\lVert g_r\rVert}{\lVert g_f\rVert+\delta},\;10^4\Big),\quad\delta=10^{-4}",
    kind="numeric",
    title="the small number and the cut-off",
)
def _():
    r"""Where the critic has no opinion yet, $g_f$ is 0 and the plain ratio infinite. With $\delta$ the critic's pull is
    the share $\lVert g_f\rVert/(\lVert g_f\rVert+\delta)$ of the other one: nearly all of it, half at $\lVert
    g_f\rVert=\delta$, nothing at 0. The weight is then at most $10^4\,\lVert g_r\rVert$, so the cut-off has work to do
    only where $\lVert g_r\rVert$ is above 1. Both numbers are those of the published code; the paper, in its equation
    7, has $\delta=10^{-6}$ and no cut-off."""
    rebuild, fool = 0.5, np.array([1.0, 1e-4, 0.0])
    pulls = [Q.adaptive(rebuild, one) * one / rebuild for one in fool]
    return together(
        numeric(pulls, fool / (fool + 1e-4)),
        numeric(Q.adaptive(rebuild, 1.0), Q.ratio(rebuild, 1.0), tol=1e-4),
        numeric([Q.adaptive(one, 0.0) for one in (0.5, 1.0, 50.0)], [5e3, 1e4, 1e4]),
        numeric(Q.adaptive(50.0, 1e-5) * 1e-5, 0.1),
    )
