"""Guidance, derived in 13 steps that are all executed: by a classifier, by its gradient in the mean, and without one.

`GUIDANCE.show(zoom=5)` shows it with a zoom of 5 or 13 steps, `GUIDANCE.verify()` runs every check,
`GUIDANCE.sabotage(guided_eps=…)` tells which steps notice a wrong formula. The steps stand in three files in their
order: `bayes`, `means`, `free`. They rest on those of DDPM, whose numbers begin with D.

Source: Dhariwal and Nichol 2021, arXiv:2105.05233, section 4, algorithms 1 and 2; Ho and Salimans 2022,
arXiv:2207.12598, section 3.
"""

from lib.derivation import Derivation, Group
from lib.guidance.derivation import bayes, free, means
from lib.guidance.derivation.quantities import Q

ZOOM = {
    5: (
        Group(
            "Noise is a slope",
            "G01",
            "G02",
            r"\nabla_{x_t}\log q(x_t)=-\frac{\epsilon_\theta(x_t,t)}{\sqrt{1-\bar\alpha_t}}",
        ),
        Group(
            "Bayes' rule for slopes, with a scale",
            "G03",
            "G06",
            r"\hat\epsilon=\epsilon_\theta(x_t,t)-s\,\sqrt{1-\bar\alpha_t}\;\nabla_{x_t}\log p_\phi(y\mid x_t)",
        ),
        Group("The same in the mean", "G07", "G08", r"\hat\mu=\mu+s\,\Sigma\,\nabla\log p_\phi(y\mid x_t)"),
        Group(
            "Without a classifier, in two conventions",
            "G09",
            "G11",
            r"\hat\epsilon=\epsilon_u+s\,(\epsilon_c-\epsilon_u)=(1+w)\,\epsilon_c-w\,\epsilon_u,\quad s=1+w",
        ),
        Group(
            "What it is not, and how one network learns both",
            "G12",
            "G13",
            r"\mathbb E\,\lVert\epsilon-\epsilon_\theta(x_t,t,\tilde y)\rVert^2,\quad\tilde y=\varnothing\ "
            r"\text{with probability}\ p",
        ),
    )
}

GUIDANCE = Derivation(
    name="guidance",
    title="From Bayes' rule to classifier-free guidance",
    steps=tuple(step for file in (bayes, means, free) for step in file.steps),
    zoom=ZOOM,
    quantities=Q,
)
