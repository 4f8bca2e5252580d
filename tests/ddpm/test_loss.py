"""The losses against closed forms, and the bound against exact probabilities."""

import math

import pytest
import torch
from torch import nn
from torch.distributions import Normal, kl_divergence

from lib.data import GaussianMixture, PointSet
from lib.ddpm import schedules
from lib.ddpm.decoder import LEVEL, decoder_nll, round_to_levels
from lib.ddpm.exact import ExactModel
from lib.ddpm.forward import posterior, q_sample, training_target
from lib.ddpm.loss import (
    BITS,
    draw_levels,
    gaussian_kl,
    hybrid_loss,
    prior_term,
    simple_loss,
    vlb_loss,
    vlb_term,
    vlb_terms,
)
from lib.ddpm.sampling import log_variance

ALPHA_BAR = schedules.shortened_linear(50)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


def pictures(num: int, seed: int = 0) -> torch.Tensor:
    """Random pictures of 3 x 4 x 4 values with 256 levels, in float64."""
    x = 2 * torch.rand(num, 3, 4, 4, generator=generator(seed), dtype=torch.float64) - 1
    return round_to_levels(x)


def zeros(x_t, t):
    return torch.zeros_like(x_t)


class Recorder:
    """A model that remembers what it was shown and answers nothing."""

    def __call__(self, x_t, t):
        self.x_t, self.t = x_t, t
        return torch.zeros_like(x_t)


def test_levels_are_drawn_from_1_to_T_and_all_alike():
    """Level 0 would teach nothing, level T must be known to begin from; 50,000 draws show each about 1,000 times."""
    t = draw_levels(50_000, ALPHA_BAR, generator())
    counts = torch.bincount(t, minlength=51)
    assert t.min() == 1 and t.max() == 50
    assert (counts[1:] - 1000).abs().max() < 5 * math.sqrt(1000)


def test_an_answer_of_zeros_costs_the_variance_of_the_target():
    """1 for noise, whatever the schedule; the mean square of the pictures for x_0."""
    x_0 = pictures(3000)
    assert simple_loss(zeros, x_0, generator(), alpha_bar=ALPHA_BAR).item() == pytest.approx(1, abs=0.02)
    loss = simple_loss(zeros, x_0, generator(), alpha_bar=ALPHA_BAR, target="x_0")
    torch.testing.assert_close(loss, x_0.square().mean())


@pytest.mark.parametrize("target", ["eps", "x_0", "v", "score"])
def test_a_network_that_knows_the_picture_pays_nothing(target):
    """One picture in the data set: the exact model is always right, at every level, for every target."""
    x_0 = normal(1, 2)
    model = ExactModel(PointSet(x_0), ALPHA_BAR, target)
    assert simple_loss(model, x_0.expand(40, 2), generator(), alpha_bar=ALPHA_BAR, target=target).item() < 1e-12


def test_the_least_possible_loss_of_gaussian_data():
    """For N(0, c) the best guess of the noise errs with variance alpha_bar c / (alpha_bar c + 1 - alpha_bar)."""
    c = 0.3
    model = ExactModel(GaussianMixture(torch.ones(1), torch.zeros(1, 2), c * torch.eye(2)[None]), ALPHA_BAR)
    level = ALPHA_BAR[1:]
    expected = (level * c / (level * c + 1 - level)).mean().item()
    x_0 = math.sqrt(c) * normal(20000, 2)
    assert simple_loss(model, x_0, generator(), alpha_bar=ALPHA_BAR).item() == pytest.approx(expected, rel=0.02)


def test_the_network_sees_the_noisy_picture_and_its_own_level():
    """x_t, never x_0; each row at its level, the noise drawn after the levels."""
    model, x_0 = Recorder(), pictures(5)
    simple_loss(model, x_0, generator(), alpha_bar=ALPHA_BAR)
    source = generator()
    t = draw_levels(5, ALPHA_BAR, source)
    eps = torch.randn(x_0.shape, generator=source, dtype=torch.float64)
    assert torch.equal(model.t, t)
    torch.testing.assert_close(model.x_t, q_sample(x_0, t, eps, ALPHA_BAR))


def test_channels_for_the_variance_are_left_out_of_the_simple_loss():
    """The second half of the output does not matter to it."""
    x_0 = pictures(3)
    wide = lambda x_t, t: torch.cat([torch.zeros_like(x_t), 7 + x_t], dim=1)  # noqa: E731
    a, b = (simple_loss(model, x_0, generator(), alpha_bar=ALPHA_BAR) for model in (wide, zeros))
    torch.testing.assert_close(a, b)


def test_the_kl_of_two_gaussians_equals_torch():
    """Value by value, any means and variances; 0 if they are equal."""
    mean_q, logvar_q, mean_p, logvar_p = normal(4, 10)
    expected = kl_divergence(Normal(mean_q, (logvar_q / 2).exp()), Normal(mean_p, (logvar_p / 2).exp()))
    torch.testing.assert_close(gaussian_kl(mean_q, logvar_q, mean_p, logvar_p), expected)
    assert (gaussian_kl(mean_q, logvar_q, mean_q, logvar_q) == 0).all()


@pytest.mark.parametrize("variance", ["beta", "beta_tilde"])
def test_a_term_of_the_bound_is_the_kl_of_posterior_and_step(variance):
    """By torch's KL, in bits, averaged over the values of a picture."""
    x_0, eps, guess, t = pictures(3), normal(3, 3, 4, 4), normal(3, 3, 4, 4, seed=1), torch.tensor([2, 20, 50])
    x_t = q_sample(x_0, t, eps, ALPHA_BAR)
    found = vlb_term(guess, x_0, x_t, t, ALPHA_BAR, variance=variance)
    x_0_hat = (x_t - (1 - ALPHA_BAR[t]).sqrt()[:, None, None, None] * guess) / ALPHA_BAR[t].sqrt()[:, None, None, None]
    q, p = posterior(x_0, x_t, t, ALPHA_BAR), posterior(x_0_hat, x_t, t, ALPHA_BAR)
    spread = log_variance(variance, t, t - 1, ALPHA_BAR, x_t).exp()
    nats = kl_divergence(Normal(q.mean, q.variance.sqrt()), Normal(p.mean, spread.sqrt()))
    torch.testing.assert_close(found, nats.mean((1, 2, 3)) / math.log(2))


def test_with_beta_tilde_a_term_is_the_weighted_error_of_the_noise():
    """beta² / (2 beta_tilde alpha (1 - alpha_bar)) times the squared error: the weight that L_simple leaves out."""
    x_0, eps, guess, t = pictures(3), normal(3, 3, 4, 4), normal(3, 3, 4, 4, seed=1), 20
    x_t = q_sample(x_0, t, eps, ALPHA_BAR)
    beta, tilde = schedules.betas(ALPHA_BAR)[t], schedules.beta_tilde(ALPHA_BAR)[t]
    weight = beta**2 / (2 * tilde * (1 - beta) * (1 - ALPHA_BAR[t]))
    expected = weight * (guess - eps).square().mean((1, 2, 3)) / math.log(2)
    torch.testing.assert_close(vlb_term(guess, x_0, x_t, t, ALPHA_BAR), expected)


def test_the_decoder_gives_probabilities_of_256_levels_that_add_up_to_one():
    """The intervals cover the line, the two outermost ones without end."""
    levels = round_to_levels(torch.linspace(-1, 1, 256, dtype=torch.float64)[:, None])
    assert len(levels.unique()) == 256
    for mean, std in ((0.3, 0.01), (-0.999, 0.002), (1.4, 0.3), (0, 30.0)):
        nll = decoder_nll(levels, torch.full_like(levels, mean), torch.tensor(2 * math.log(std)).double())
        assert nll.neg().exp().sum().item() == pytest.approx(1, abs=1e-12)


def test_the_decoder_equals_differences_of_the_distribution_function():
    """Where those are not lost to rounding: by torch's Normal, in the middle and at both ends."""
    x = round_to_levels(torch.tensor([[-1.0, -0.5, 0.0, 0.4, 1.0]], dtype=torch.float64))
    mean = torch.tensor([[-0.97, -0.52, 0.05, 0.4, 0.9]], dtype=torch.float64)
    gauss = Normal(mean, 0.04)
    low, high = gauss.cdf(x - LEVEL / 2), gauss.cdf(x + LEVEL / 2)
    low[0, 0], high[0, -1] = 0, 1
    found = decoder_nll(x, mean, torch.tensor(2 * math.log(0.04)).double())
    torch.testing.assert_close(found, -(high - low).log())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_decoder_stays_finite_and_has_a_gradient_however_wrong_the_mean(dtype):
    """A difference of distribution functions would be 0 - 0 there, and its logarithm minus infinity."""
    x = round_to_levels(torch.tensor([[-1.0, 0.0, 0.5, 1.0]], dtype=dtype)).repeat(4, 1)
    mean = torch.tensor([-50.0, -1.0, 1.0, 50.0], dtype=dtype)[:, None].expand(4, 4).clone().requires_grad_()
    logvar = torch.full((4, 4), math.log(5e-5), dtype=dtype, requires_grad=True)
    nll = decoder_nll(x, mean, logvar)
    nll.sum().backward()
    assert nll.isfinite().all() and mean.grad.isfinite().all() and logvar.grad.isfinite().all()
    assert nll[0, 3] > 1e6 and mean.grad[0, 3] < 0 and mean.grad[3, 0] > 0


def test_a_white_picture_below_a_mean_that_is_too_bright_costs_nothing():
    """White reaches to infinity, so a mean of 1.5 is as good as certain."""
    white = torch.ones(1, 4, dtype=torch.float64)
    assert decoder_nll(white, 1.5 * white, torch.tensor(-9.0).double()).abs().max() < 1e-12


def test_pictures_between_two_levels_are_refused_by_the_decoder():
    """32-pixel emoji are means of four pixels; as densities their probability would mean something else."""
    with pytest.raises(ValueError, match="multiples of 2/255 from -1; off by 0.0039.* round_to_levels"):
        decoder_nll(torch.full((1, 2), LEVEL / 2 + round_to_levels(torch.zeros(1, 1)).item()), torch.zeros(1, 2),
                    torch.zeros(()))  # fmt: skip
    with pytest.raises(ValueError, match="must lie in \\[-1, 1\\], got a value of size 1.5"):
        round_to_levels(torch.full((1, 2), 1.5))


def test_the_first_term_of_the_bound_is_the_decoder():
    """t = 1: -log2 p(x_0 | x_1) with the mean at the estimate of x_0 and the variance of the step from 2 to 1."""
    x_0, eps = pictures(2), normal(2, 3, 4, 4)
    x_1 = q_sample(x_0, 1, eps, ALPHA_BAR)
    logvar = schedules.beta_tilde(ALPHA_BAR)[2].log()
    x_0_hat = (x_1 - (1 - ALPHA_BAR[1]).sqrt() * 0.9 * eps) / ALPHA_BAR[1].sqrt()
    expected = BITS * decoder_nll(x_0, x_0_hat, logvar).mean((1, 2, 3))
    torch.testing.assert_close(vlb_term(0.9 * eps, x_0, x_1, 1, ALPHA_BAR), expected)


def test_the_prior_term_is_a_kl_to_pure_noise():
    """By torch; for 1,000 linear steps it is below 1e-4 bits, whatever the network."""
    x_0, level = pictures(2), ALPHA_BAR[-1]
    nats = kl_divergence(Normal(level.sqrt() * x_0, (1 - level).sqrt()), Normal(torch.zeros_like(x_0), 1.0))
    torch.testing.assert_close(prior_term(x_0, ALPHA_BAR), nats.mean((1, 2, 3)) / math.log(2))
    assert prior_term(x_0, schedules.linear(1000)).max() < 1e-4


def test_the_bound_of_one_known_picture_is_the_price_of_its_decoder():
    """Everything but L_T and L_0 vanishes when the network knows the only picture there is."""
    x_0 = pictures(1)
    terms = vlb_terms(ExactModel(PointSet(x_0), ALPHA_BAR), x_0, generator(), alpha_bar=ALPHA_BAR)
    assert terms.steps.shape == (1, 50)
    assert terms.steps[:, 1:].abs().max() < 1e-8
    torch.testing.assert_close(terms.total, terms.prior + terms.steps[:, 0])


@pytest.mark.parametrize(("variance", "most"), [("beta", 0.35), ("beta_tilde", 1.5)])
def test_the_bound_is_above_the_true_cost_and_close_to_it_with_the_exact_network(variance, most):
    """Rounded Gaussian values have a known cost, here 6.7 bits; beta, right for wide data, comes closer to it."""
    alpha_bar, std = schedules.shortened_linear(200), 0.2
    x_0 = round_to_levels((std * normal(800, 2)).clamp(-1, 1))
    model = ExactModel(GaussianMixture(torch.ones(1), torch.zeros(1, 2), std**2 * torch.eye(2)[None]), alpha_bar)
    true_bits = (-Normal(0, std).log_prob(x_0) / math.log(2) - math.log2(LEVEL)).mean().item()
    found = vlb_terms(model, x_0, generator(1), alpha_bar=alpha_bar, variance=variance).total.mean().item()
    assert true_bits - 0.15 < found < true_bits + most  # the standard error is 0.05


def test_the_random_bound_is_right_on_average():
    """T times a term at a random level has the mean of the sum of all terms."""
    x_0 = pictures(1)
    model = lambda x_t, t: 0.9 * x_t  # noqa: E731
    whole = vlb_terms(model, x_0.repeat(200, 1, 1, 1), generator(), alpha_bar=ALPHA_BAR).total.mean()
    drawn = vlb_loss(model, x_0.repeat(20000, 1, 1, 1), generator(1), alpha_bar=ALPHA_BAR)
    assert drawn.item() == pytest.approx(whole.item(), rel=0.05)


class TwoHeads(nn.Module):
    """The smallest network with a learned variance: one number for each half."""

    def __init__(self):
        super().__init__()
        self.mean, self.raw = (nn.Parameter(torch.zeros((), dtype=torch.float64)) for _ in range(2))

    def forward(self, x_t, t):
        return torch.cat([self.mean * x_t, self.raw + 0 * x_t], dim=1)


def test_the_hybrid_loss_teaches_the_mean_with_the_simple_loss_alone():
    """The gradient of the mean is that of L_simple, the gradient of the variance that of the bound, times 0.001."""
    x_0 = pictures(6)
    gradients = {}
    for name, loss in {
        "hybrid": lambda m: hybrid_loss(m, x_0, generator(), alpha_bar=ALPHA_BAR),
        "simple": lambda m: simple_loss(m, x_0, generator(), alpha_bar=ALPHA_BAR),
        "bound": lambda m: vlb_loss(m, x_0, generator(), alpha_bar=ALPHA_BAR, variance="learned"),
    }.items():
        model = TwoHeads()
        loss(model).backward()
        gradients[name] = model.mean.grad, model.raw.grad
    torch.testing.assert_close(gradients["hybrid"][0], gradients["simple"][0])
    torch.testing.assert_close(gradients["hybrid"][1], 0.001 * gradients["bound"][1])
    assert gradients["hybrid"][1] != 0


def test_the_hybrid_loss_is_the_sum_of_both():
    """Without L_T, which is constant."""
    x_0, model = pictures(6), TwoHeads()
    simple = simple_loss(model, x_0, generator(), alpha_bar=ALPHA_BAR)
    bound = vlb_loss(model, x_0, generator(), alpha_bar=ALPHA_BAR, variance="learned")
    expected = simple + 0.1 * (bound - prior_term(x_0, ALPHA_BAR).mean())
    torch.testing.assert_close(hybrid_loss(model, x_0, generator(), alpha_bar=ALPHA_BAR, vlb_weight=0.1), expected)


def test_a_hybrid_loss_without_channels_for_the_variance_is_refused():
    """Nothing would be learned about it."""
    with pytest.raises(ValueError, match="twice the channels"):
        hybrid_loss(zeros, pictures(2), generator(), alpha_bar=ALPHA_BAR)


def test_training_targets_and_loss_agree():
    """The loss by hand for each target, from the same draws."""
    x_0 = pictures(4)
    for target in ("eps", "x_0", "v"):
        source = generator()
        t = draw_levels(4, ALPHA_BAR, source)
        eps = torch.randn(x_0.shape, generator=source, dtype=torch.float64)
        by_hand = training_target(x_0, eps, t, ALPHA_BAR, target).square().mean()
        torch.testing.assert_close(simple_loss(zeros, x_0, generator(), alpha_bar=ALPHA_BAR, target=target), by_hand)
