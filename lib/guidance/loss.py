"""Two trainings: a denoiser that is sometimes not told the label, and a classifier of noisy pictures.

They share nothing: no term of one loss ever meets the other network.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from lib.ddpm import q_sample, simple_loss
from lib.ddpm.loss import draw_levels, noise_like

LabelledBatch = tuple[Float[Tensor, "B ..."], Int[Tensor, " B"]]


def drop_labels(
    y: Int[Tensor, " B"], null_label: int, drop_prob: float, generator: torch.Generator | None = None
) -> Int[Tensor, " B"]:
    """Every label is replaced by the null label with probability ``drop_prob``, each on its own.

    Raises:
        ValueError: if ``drop_prob`` is outside [0, 1].
    """
    if not 0 <= drop_prob <= 1:
        raise ValueError(f"drop_prob must lie in [0, 1], got {drop_prob}")
    dropped = torch.rand(len(y), generator=generator, device=y.device) < drop_prob
    return torch.where(dropped, null_label, y)


def cfg_loss(
    model: Callable[..., Tensor],
    batch: LabelledBatch,
    generator: torch.Generator | None = None,
    *,
    alpha_bar: Float[Tensor, " levels"],
    target: str = "eps",
    drop_prob: float = 0.15,
) -> Float[Tensor, ""]:
    """L_simple of a model that is told the label, except where the label was dropped.

    One network call for each picture, as without labels: the two answers of guidance are only made when sampling.

    Args:
        model: ``model(x_t, t, y) -> output``, with an attribute ``null_label``.
        batch: pictures or points, and their labels.
        generator: draws what is dropped first, then the levels, then the noise.
        alpha_bar: the schedule.
        target: what the model is asked for: "eps", "x_0" or "v".
        drop_prob: share of labels replaced by the null label, in [0, 1]; 0.1 to 0.2 is usual. With 0 the null label is
            never trained, and nothing can be guided.

    Raises:
        ValueError: if ``drop_prob`` is outside [0, 1].

    Source: Ho & Salimans 2022, arXiv:2207.12598, algorithm 1.
    """
    x_0, y = batch
    y = drop_labels(y, model.null_label, drop_prob, generator)
    return simple_loss(lambda x_t, t: model(x_t, t, y), x_0, generator, alpha_bar=alpha_bar, target=target)


def classifier_loss(
    classifier: Callable[[Tensor, Tensor], Tensor],
    batch: LabelledBatch,
    generator: torch.Generator | None = None,
    *,
    alpha_bar: Float[Tensor, " levels"],
) -> Float[Tensor, ""]:
    """Cross-entropy in nats of a classifier that sees pictures at a level drawn for each: it learns q(y | x_t).

    No denoiser takes part, before, during or after.

    Args:
        classifier: ``classifier(x_t, t) -> logits``.
        batch: pictures or points, and their labels.
        generator: draws the levels, then the noise.
        alpha_bar: the schedule of the denoiser that is going to be guided.

    Source: Dhariwal & Nichol 2021, arXiv:2105.05233, section 4.
    """
    x_0, y = batch
    t = draw_levels(len(x_0), alpha_bar, generator)
    x_t = q_sample(x_0, t, noise_like(x_0, generator), alpha_bar)
    return F.cross_entropy(classifier(x_t, t).float(), y)
