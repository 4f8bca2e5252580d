"""The checks of the derivation of guidance notice wrong formulas, and its formulas are the library's."""

import numpy as np
import pytest
import torch

from lib.data import GaussianMixture
from lib.ddpm import exact_eps
from lib.guidance import LabelledMixture, classifier_guided_eps, classifier_guided_mean, from_w, guide
from lib.guidance.derivation import GUIDANCE
from lib.guidance.derivation.quantities import (
    BAR,
    GRID,
    MEANS,
    SHARES,
    VARIANCES,
    Q,
    best_noise,
    of_class,
    slope,
    sqrt,
)


def test_the_toy_and_its_formulas_are_those_of_the_library():
    """The same mixture, asked for verdict, gradient, noise and guidance, gives the same numbers."""
    covs = torch.tensor(VARIANCES, dtype=torch.float64)[:, None, None]
    mixture = GaussianMixture(torch.tensor(SHARES), torch.tensor(MEANS, dtype=torch.float64)[:, None], covs)
    data, x_t = LabelledMixture(mixture, (0, 1)), torch.from_numpy(GRID)[:, None]
    alpha_bar = torch.tensor([1.0, BAR], dtype=torch.float64)
    push = slope(lambda x: np.log(Q.verdict(x, BAR)), GRID)
    without, with_class = best_noise(GRID), best_noise(GRID, 1)
    eps_uncond, eps_cond, grad = (torch.from_numpy(x)[:, None] for x in (without, with_class, push))
    pairs = {
        "verdict": (data.log_class_prob(x_t, BAR)[:, 1].exp(), Q.verdict(GRID, BAR)),
        "gradient": (data.class_grad(x_t, 1, BAR), push),
        "noise": (exact_eps(data.mixture, x_t, BAR), without),
        "noise of the class": (exact_eps(data.given(1), x_t, BAR), with_class),
        "without a classifier": (guide(eps_uncond, eps_cond, from_w(2.0)), Q.guide_by_w(without, with_class, 2.0)),
        "with a classifier": (
            classifier_guided_eps(eps_uncond, grad, 1, alpha_bar, 3.0),
            Q.guided_eps(without, push, BAR, 3.0),
        ),
        "mean": (classifier_guided_mean(x_t, 0.1, grad, 3.0), Q.guided_mean(GRID, 0.1, push, 3.0)),
    }
    for name, (built, derived) in pairs.items():
        np.testing.assert_allclose(built.numpy().ravel(), derived, rtol=1e-6, atol=1e-7, err_msg=name)


right = {name: getattr(Q, name) for name in Q._named}


def plus_sign(eps, gradient, bar, scale):
    """The sign of the mean form in the noise form."""
    return eps + scale * sqrt(1 - bar) * gradient


ERRORS = {
    "score with the wrong sign": (dict(score=lambda e, A: e / sqrt(1 - A)), "G01 G02 G06 G10"),
    "score divided by the variance": (dict(score=lambda e, A: -e / (1 - A)), "G01 G02 G06 G10"),
    "noise taken for the score": (dict(score=lambda e, A: -e), "G01 G02 G06 G10"),
    "verdict without the shares of the classes": (
        dict(verdict=lambda x, A: of_class(x, 1, A) / (of_class(x, 0, A) + of_class(x, 1, A))),
        "G03 G05",
    ),
    "classifier of clean pictures": (dict(verdict=lambda x, A: right["verdict"](x, 1.0)), "G03 G04 G05 G06 G09 G10"),
    "classifier for the other class": (
        dict(verdict=lambda x, A: 1 - right["verdict"](x, A)),
        "G03 G04 G05 G06 G09 G10",
    ),
    "scores subtracted": (dict(guided_score=lambda a, b, s: a - s * b), "G04 G05"),
    "scale on both scores": (dict(guided_score=lambda a, b, s: s * (a + b)), "G05"),
    "plus sign in the noise form": (dict(guided_eps=plus_sign), "G06 G08 G10"),
    "sigma_t for the root of 1 - alpha_bar": (
        dict(guided_eps=lambda e, g, A, s: e - s * 0.1 * g),
        "G06 G08 G10",
    ),
    "variance for the root": (dict(guided_eps=lambda e, g, A, s: e - s * (1 - A) * g), "G06 G08 G10"),
    "minus sign in the mean form": (dict(guided_mean=lambda m, v, g, s: m - s * v * g), "G07 G08"),
    "push without the variance": (dict(guided_mean=lambda m, v, g, s: m + s * g), "G07 G08"),
    "push twice as far": (dict(guided_mean=lambda m, v, g, s: m + 2 * s * v * g), "G07 G08"),
    "bar missing in the mean": (
        dict(mean_from_noise=lambda x, e, a, A: (x - sqrt(1 - a) * e) / sqrt(a)),
        "G08",
    ),
    "implicit gradient with the wrong sign": (
        dict(implicit_gradient=lambda c, u, A: (c - u) / sqrt(1 - A)),
        "G09",
    ),
    "implicit gradient without the root": (dict(implicit_gradient=lambda c, u, A: u - c), "G09"),
    "guided away from the class": (dict(guide=lambda u, c, s: u - s * (c - u)), "G10 G11"),
    "conditional and unconditional swapped": (dict(guide=lambda u, c, s: c + s * (u - c)), "G10 G11"),
    "started at the conditional answer": (dict(guide=lambda u, c, s: c + s * (c - u)), "G10 G11"),
    "s and w taken for the same": (dict(from_w=lambda w: w), "G11"),
    "s and w swapped": (dict(from_w=lambda w: w - 1), "G11"),
    "the two answers of the paper swapped": (dict(guide_by_w=lambda u, c, w: (1 + w) * u - w * c), "G11"),
    "noised first taken for sharpened first": (dict(tilted_then_noised=right["noised_then_tilted"]), "G12"),
    "scale forgotten at the noise level": (dict(noised_then_tilted=lambda s, A: 1 / (1 + A / (2 - A))), "G12"),
    "null label for one class only": (dict(drop=lambda p, y: (p * y, 1 - p * y)), "G13"),
    "null label never trained": (dict(drop=lambda p, y: (0.0, 1.0)), "G13"),
}


@pytest.mark.parametrize("error", ERRORS)
def test_a_planted_error_is_noticed_by_the_steps_that_rest_on_it(error):
    """A check that no wrong formula can fail confirms nothing."""
    wrong, witnesses = ERRORS[error]
    with np.errstate(all="ignore"):
        assert set(witnesses.split()) <= set(GUIDANCE.sabotage(**wrong))


def test_every_quantity_and_every_step_is_put_to_the_test():
    """No named formula is taken on trust, and no check passes whatever one plants."""
    assert {name for wrong, _ in ERRORS.values() for name in wrong} == set(right)
    assert {step for _, names in ERRORS.values() for step in names.split()} == {step.id for step in GUIDANCE.steps}
