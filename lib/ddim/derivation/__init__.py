"""DDIM, derived in 29 steps that are all executed: a family of processes, its sampler, and Euler's method.

`DDIM.show(zoom=8)` shows it with a zoom of 8 or 29 steps, `DDIM.verify()` runs every check, `DDIM.sabotage(step=…)`
tells which steps notice a wrong formula. The steps stand in five files in their order: `family`, `marginals`, `loss`,
`sampling`, `euler`. They go on from those of DDPM, whose numbers begin with D.

Source: Song, Meng and Ermon 2021, arXiv:2010.02502, sections 3 and 4, appendices B and C; their alpha is our
alpha_bar. What differs: the weight of I15 is exact, and the induction of I09 goes down from T.
"""

from lib.ddim.derivation import euler, family, loss, marginals, sampling
from lib.ddim.derivation.quantities import Q
from lib.derivation import Derivation, Group

_FAMILY = (
    r"q_\sigma(x_{t-1}\mid x_t,x_0)=\mathcal N\Big(\sqrt{\bar\alpha_{t-1}}\,x_0+\sqrt{1-\bar\alpha_{t-1}-\sigma_t^2}\;"
    r"\frac{x_t-\sqrt{\bar\alpha_t}\,x_0}{\sqrt{1-\bar\alpha_t}},\;\sigma_t^2I\Big)"
)
_LEVELS = r"q_\sigma(x_t\mid x_0)=\mathcal N\big(\sqrt{\bar\alpha_t}\,x_0,\,(1-\bar\alpha_t)I\big)\quad\forall\sigma"
_STEP = r"x_s=\sqrt{\bar\alpha_s}\;\hat x_0+\sqrt{1-\bar\alpha_s-\sigma_t^2}\;\,\epsilon_\theta(x_t,t)+\sigma_tz"

ZOOM = {
    8: (
        Group(
            "What the loss leaves open",
            "I01",
            "I02",
            r"L_{\mathrm{simple}}\ \text{knows}\ q(x_t\mid x_0)\ \text{only}\;\longrightarrow\;"
            r"q_\sigma(x_T\mid x_0)\prod_{t=2}^Tq_\sigma(x_{t-1}\mid x_t,x_0)",
        ),
        Group("A step whose noise is free", "I03", "I06", _FAMILY + r",\quad0\le\sigma_t^2\le1-\bar\alpha_{t-1}"),
        Group("Every level stays as it was", "I07", "I09", _LEVELS),
        Group(
            "DDPM is one of the family",
            "I10",
            "I13",
            r"\sigma_t^2=\tilde\beta_t=\frac{1-\bar\alpha_{t-1}}{1-\bar\alpha_t}"
            r"\Big(1-\frac{\bar\alpha_t}{\bar\alpha_{t-1}}\Big)\;\iff\;\text{DDPM}",
        ),
        Group(
            "The same loss with other weights",
            "I14",
            "I16",
            r"\gamma_t\,\lVert\epsilon-\epsilon_\theta(x_t,t)\rVert^2,\quad"
            r"\gamma_t=\frac{a_t^2\,(1-\bar\alpha_t)}{2\sigma_t^2\,\bar\alpha_t}",
        ),
        Group("The sampler, and without noise", "I17", "I19", _STEP),
        Group(
            "Fewer steps, more or less noise",
            "I20",
            "I23",
            r"t\to s=\tau_{i-1},\quad"
            r"\sigma_t=\eta\,\sqrt{\frac{1-\bar\alpha_s}{1-\bar\alpha_t}\Big(1-\frac{\bar\alpha_t}{\bar\alpha_s}\Big)}",
        ),
        Group(
            "Euler's method, down and up",
            "I24",
            "I29",
            r"\frac{d\bar x}{d\bar\sigma}=\epsilon_\theta(x_t,t),\quad\bar x_s=\bar x_t+(\bar\sigma_s-\bar\sigma_t)\,"
            r"\epsilon_\theta(x_t,t),\quad\text{error}\ O\Big(\frac1n\Big)",
        ),
    )
}

DDIM = Derivation(
    name="ddim",
    title="From DDPM's loss to the deterministic sampler of DDIM",
    steps=tuple(step for file in (family, marginals, loss, sampling, euler) for step in file.steps),
    zoom=ZOOM,
    quantities=Q,
)
