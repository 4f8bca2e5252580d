"""The exercises of chapter 5, each with the wrong ideas that are known beforehand."""

from lib.ddim.exercises.family import MEAN, SIGMA
from lib.ddim.exercises.interpolation import SLERP
from lib.ddim.exercises.ode import EULER_STEP, STEP_UP
from lib.ddim.exercises.steps import SPACED, STEP_DOWN

EXERCISES = {exercise.name: exercise for exercise in (MEAN, SIGMA, STEP_DOWN, SPACED, EULER_STEP, STEP_UP, SLERP)}
