"""The exercises of chapter 2, each with the wrong ideas that are known beforehand."""

from lib.vae.exercises.chance import IMPORTANCE_BOUND, REPARAMETERIZE, SCORE_GRADIENT
from lib.vae.exercises.clouds import ACTIVE_UNITS, AGGREGATE, PAINT
from lib.vae.exercises.losses import HIDDEN_WEIGHT, KL, LOSS

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
