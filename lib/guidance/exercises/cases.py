"""The headings of the chapter that exercises point to, and inputs that they share."""

from lib.ddpm.exercises.cases import double

BAYES = "Bayes' rule for scores"
FORMS = "Two forms of the same push"
ENERGY = "Guidance by anything that can be differentiated"
DROPOUT = "One network for both answers"
FREE = "Guidance without a classifier"
CONVENTIONS = "Two conventions for one number"
LABELS = "How a label enters the network"
GALLERY = "Failure gallery"

__all__ = [
    "BAYES", "CONVENTIONS", "DROPOUT", "ENERGY", "FORMS", "FREE", "GALLERY", "LABELS", "double",
]  # fmt: skip
