"""The exercises of chapter 4, each with the wrong ideas that are known beforehand."""

from lib.ddpm.exercises.forward import ALPHA_BAR, Q_SAMPLE
from lib.ddpm.exercises.network import TIME_EMBEDDING
from lib.ddpm.exercises.reverse import BETA_TILDE, POSTERIOR_MEAN
from lib.ddpm.exercises.sampling import STEP
from lib.ddpm.exercises.training import WEIGHT, X_0_FROM_V, X_0_HAT

EXERCISES = {
    exercise.name: exercise
    for exercise in (
        ALPHA_BAR,
        Q_SAMPLE,
        POSTERIOR_MEAN,
        BETA_TILDE,
        X_0_HAT,
        X_0_FROM_V,
        WEIGHT,
        STEP,
        TIME_EMBEDDING,
    )
}
