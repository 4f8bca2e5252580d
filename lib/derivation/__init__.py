"""Derivations that are executed: every step has a check, and a zoom gathers the steps into coarser ones.

derivation.verify()            runs every check and says what it found
derivation.show(zoom=10)       the widget, with a zoom control and the evidence of each step
derivation.sabotage(kl=…)      which steps notice a wrong formula
"""

from lib.derivation.chain import Chain
from lib.derivation.checks import (
    CheckFailed,
    at_most,
    differ,
    discrete,
    gaussian,
    integrate,
    log_normal_density,
    monte_carlo,
    normal_density,
    normal_expectation,
    numeric,
    quadrature,
    symbolic,
    together,
)
from lib.derivation.derivation import Derivation, Quantities, Verification
from lib.derivation.gaussian import Gaussian
from lib.derivation.mathml import prose_to_html, to_mathml
from lib.derivation.steps import Group, Result, Step, Steps

__all__ = [
    "Chain",
    "CheckFailed",
    "Derivation",
    "Gaussian",
    "Group",
    "Quantities",
    "Result",
    "Step",
    "Steps",
    "Verification",
    "at_most",
    "differ",
    "discrete",
    "gaussian",
    "integrate",
    "log_normal_density",
    "monte_carlo",
    "normal_density",
    "normal_expectation",
    "numeric",
    "prose_to_html",
    "quadrature",
    "symbolic",
    "to_mathml",
    "together",
]
