"""The exercises of chapter 2, each with the wrong ideas that are known beforehand."""

from lib.vae.exercises.active import ACTIVE_UNITS
from lib.vae.exercises.aggregate import AGGREGATE
from lib.vae.exercises.chance import IMPORTANCE_BOUND, SCORE_GRADIENT
from lib.vae.exercises.condition import PAINT
from lib.vae.exercises.draws import REPARAMETERIZE
from lib.vae.exercises.kl import KL
from lib.vae.exercises.loss import LOSS
from lib.vae.exercises.weight import HIDDEN_WEIGHT

EXERCISES = {
    exercise.name: exercise
    for exercise in (
        KL,
        REPARAMETERIZE,
        LOSS,
        HIDDEN_WEIGHT,
        SCORE_GRADIENT,
        IMPORTANCE_BOUND,
        ACTIVE_UNITS,
        PAINT,
        AGGREGATE,
    )
}
