"""Guidance where everything is known: mixtures in the plane whose components belong to classes.

Score with and without the class, the classifier's log q(y | x_t) and its gradient are closed forms, so that what
guidance does can be told from what networks get wrong. Arguments and answers are those of the networks.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lib.data import GaussianMixture, mixture
from lib.ddpm import ExactModel, exact_score

GROUPS = {"mixture": (0, 1, 2), "gaussians8": (0, 0, 1, 1, 2, 2, 3, 3)}
"""Class of each component of `lib.data.mixture`: three blobs that overlap, and eight in four pairs of neighbours."""


@dataclass(frozen=True, eq=False)
class LabelledMixture:
    """A mixture, and the class that each of its components belongs to.

    Attributes:
        mixture: all components together, x_0 without a label.
        class_of: class of each component, 0 … num_classes - 1, each used at least once.

    Raises:
        ValueError: if there is not one class for each component, or a number is left out.
    """

    mixture: GaussianMixture
    class_of: Sequence[int]

    def __post_init__(self):
        num = len(self.mixture.weights)
        if len(self.class_of) != num:
            raise ValueError(f"class_of must name a class for each of the {num} components, got {len(self.class_of)}")
        if set(self.class_of) != set(range(max(self.class_of) + 1)):
            raise ValueError(f"classes must be numbered 0, 1, … without a gap, got {sorted(set(self.class_of))}")

    @property
    def num_classes(self) -> int:
        return max(self.class_of) + 1

    @property
    def shares(self) -> Float[Tensor, " K"]:
        """q(y): share of each class."""
        shares = torch.zeros(self.num_classes, dtype=torch.float64)
        return shares.index_add(0, torch.tensor(self.class_of), self.mixture.weights)

    def given(self, y: int) -> GaussianMixture:
        """q(x_0 | y): the components of one class.

        Raises:
            ValueError: if there is no such class.
        """
        if not 0 <= y < self.num_classes:
            raise ValueError(f"y must lie in 0..{self.num_classes - 1}, got {y}")
        return self.mixture.select([k for k, c in enumerate(self.class_of) if c == y])

    def log_class_prob(self, x_t: Float[Tensor, "*B D"], alpha_bar_t: float | Tensor) -> Float[Tensor, "*B K"]:
        """log q(y | x_t) for every class, by Bayes' rule; differentiable. The logits of the perfect classifier.

        Args:
            x_t: where to ask.
            alpha_bar_t: signal variance of the level, in [0, 1].
        """
        joint = [self.given(y).diffused(alpha_bar_t).log_prob(x_t) for y in range(self.num_classes)]
        return (torch.stack(joint, dim=-1) + self.shares.log().to(x_t.dtype)).log_softmax(-1)

    def class_grad(self, x_t: Float[Tensor, "B D"], y: int, alpha_bar_t: float | Tensor) -> Float[Tensor, "B D"]:
        """Gradient of log q(y | x_t): the score with the label minus the score without; derivation G04.

        Source: Dhariwal & Nichol 2021, arXiv:2105.05233, section 4.
        """
        return exact_score(self.given(y), x_t, alpha_bar_t) - exact_score(self.mixture, x_t, alpha_bar_t)

    def sample(self, num: int, generator: torch.Generator | None = None) -> tuple[Float[Tensor, "N D"], Tensor]:
        """Points (float64) and their classes."""
        x_0, component = self.mixture.sample_with_labels(num, generator)
        return x_0, torch.tensor(self.class_of)[component]


def labelled(name: str) -> LabelledMixture:
    """A mixture of `lib.data.mixture` with classes: "mixture" has three, "gaussians8" four.

    Raises:
        ValueError: if there is no mixture of this name.
    """
    return LabelledMixture(mixture(name), GROUPS[name] if name in GROUPS else ())


class ExactClassModel:
    """The perfect denoiser that is told a label: ``model(x_t, t, y)``, with ``null_label`` for "not told".

    Args:
        data: mixture with classes.
        alpha_bar: the schedule.
        target: what it answers: "eps", "x_0", "v" or "score".
    """

    def __init__(self, data: LabelledMixture, alpha_bar: Float[Tensor, " levels"], target: str = "eps"):
        self.null_label = data.num_classes
        told = [data.given(y) for y in range(data.num_classes)]
        self.models = [ExactModel(part, alpha_bar, target) for part in (*told, data.mixture)]

    def __call__(
        self, x_t: Float[Tensor, "B D"], t: Int[Tensor, " B"], y: Int[Tensor, " B"] | None = None
    ) -> Float[Tensor, "B D"]:
        if y is None:
            return self.models[self.null_label](x_t, t)
        answer = torch.empty_like(x_t)
        for label in y.unique():
            rows = y == label
            answer[rows] = self.models[label](x_t[rows], t[rows])
        return answer


class ExactClassifier:
    """The perfect classifier of noisy points: ``classifier(x_t, t)`` gives log q(y | x_t), differentiable."""

    def __init__(self, data: LabelledMixture, alpha_bar: Float[Tensor, " levels"]):
        self.data, self.alpha_bar = data, alpha_bar

    def __call__(self, x_t: Float[Tensor, "B D"], t: Int[Tensor, " B"]) -> Float[Tensor, "B K"]:
        log_prob = x_t.new_zeros(len(x_t), self.data.num_classes)
        for level in t.unique():
            rows = (t == level).nonzero()[:, 0]
            log_prob = log_prob.index_add(0, rows, self.data.log_class_prob(x_t[rows], self.alpha_bar[level]))
        return log_prob


@dataclass(frozen=True, eq=False)
class GuidedDensity:
    """q(x_t) q(y | x_t)^s at one level, up to a constant: the density whose score guidance follows there.

    Only for s = 0 and s = 1 are the densities of all levels those of one and the same noised data. For other scales no
    data exist whose noised versions they are, so a guided sampler does not draw from the density at level 0 (G12).

    Attributes:
        data: mixture with classes.
        y: the wanted class.
        guidance_scale: s.
        alpha_bar_t: signal variance of the level, in [0, 1].

    Source: Dhariwal & Nichol 2021, arXiv:2105.05233, section 4.1.
    """

    data: LabelledMixture
    y: int
    guidance_scale: float
    alpha_bar_t: float = 1.0

    def log_prob(self, x_t: Float[Tensor, "*B D"]) -> Float[Tensor, "*B"]:
        """Logarithm of the density, without its constant."""
        told = self.data.log_class_prob(x_t, self.alpha_bar_t)[..., self.y]
        return self.data.mixture.diffused(self.alpha_bar_t).log_prob(x_t) + self.guidance_scale * told

    def score(self, x_t: Float[Tensor, "B D"]) -> Float[Tensor, "B D"]:
        """Gradient of `log_prob`: score without the label plus s times the classifier's gradient; derivation G05."""
        free = self.data.mixture.diffused(self.alpha_bar_t).score(x_t)
        return free + self.guidance_scale * (self.data.given(self.y).diffused(self.alpha_bar_t).score(x_t) - free)

    def on_grid(self, extent: float = 4.0, num: int = 200) -> tuple[Float[Tensor, "N N 2"], Float[Tensor, "N N"]]:
        """Points of a square grid over [-extent, extent] and the share of the density at each; they sum to 1."""
        side = torch.linspace(-extent, extent, num, dtype=torch.float64)
        x = torch.stack(torch.meshgrid(side, side, indexing="xy"), dim=-1)
        log_prob = self.log_prob(x)
        return x, log_prob.flatten().softmax(0).reshape(log_prob.shape)
