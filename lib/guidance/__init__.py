"""Chapter 6: guidance, by a classifier, without one, and by anything that can be differentiated.

Dhariwal & Nichol 2021, "Diffusion models beat GANs on image synthesis", arXiv:2105.05233 (ADM); Ho & Salimans 2022,
"Classifier-free diffusion guidance", arXiv:2207.12598, shown at a workshop in 2021; Nichol et al. 2021 (GLIDE),
arXiv:2112.10741.

| in the text | here |
|---|---|
| eps_u + s (eps_c − eps_u); s = 1 + w | `guide`, `from_w`, `to_w` |
| eps − s sqrt(1 − alpha-bar_t) grad log p(y given x_t) | `classifier_guided_eps` |
| mu + s Sigma grad log p(y given x_t) | `classifier_guided_mean`, `mean_guided_step` |
| rescaling, an interval of levels | `rescale`, `interval` |
| models that any sampler can call | `CFGModel`, `ClassifierGuided`, `EnergyGuided` |
| the loss with label dropout; the classifier's loss | `cfg_loss`, `drop_labels`, `classifier_loss` |
| AdaGN; the networks | `AdaGNBlock`, `modulate`, `ClassUNet`, `ClassPointMLP`, `NoisyClassifier` |
| f(x) · g(c); Gram matrices | `similarity_energy`, `style_energy`, `gram` |
| everything in closed form, in the plane | `labelled`, `ExactClassModel`, `ExactClassifier`, `GuidedDensity` |
| is it what was asked for? | `quality.shape_accuracy`, `quality.read_group`, `quality.draw_cfg` |
| every step from Bayes' rule to the sampler | `lib.guidance.derivation` |
"""

from . import quality
from .combine import classifier_guided_eps, classifier_guided_mean, from_w, guide, interval, rescale, to_w
from .energies import gram, group_feature, similarity, similarity_energy, style_distance, style_energy
from .exact import ExactClassifier, ExactClassModel, GuidedDensity, LabelledMixture, labelled
from .loss import cfg_loss, classifier_loss, drop_labels
from .model import AdaGNBlock, ClassPointMLP, ClassUNet, LabelEmbedding, NoisyClassifier, modulate
from .sampling import CFGModel, ClassifierGuided, EnergyGuided, change_eps, log_prob_grad, mean_guided_step

__all__ = [
    "AdaGNBlock",
    "CFGModel",
    "ClassPointMLP",
    "ClassUNet",
    "ClassifierGuided",
    "EnergyGuided",
    "ExactClassModel",
    "ExactClassifier",
    "GuidedDensity",
    "LabelEmbedding",
    "LabelledMixture",
    "NoisyClassifier",
    "cfg_loss",
    "change_eps",
    "classifier_guided_eps",
    "classifier_guided_mean",
    "classifier_loss",
    "drop_labels",
    "from_w",
    "gram",
    "group_feature",
    "guide",
    "interval",
    "labelled",
    "log_prob_grad",
    "mean_guided_step",
    "modulate",
    "quality",
    "rescale",
    "similarity",
    "similarity_energy",
    "style_distance",
    "style_energy",
    "to_w",
]
