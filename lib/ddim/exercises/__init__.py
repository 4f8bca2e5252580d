"""The exercises of chapter 5, each with the wrong ideas that are known beforehand."""

from lib.ddim.exercises.family import LIMIT, MEND, TWO_STEPS
from lib.ddim.exercises.interpolation import SLERP
from lib.ddim.exercises.ode import SLOPE, STEP_UP
from lib.ddim.exercises.steps import SPACED

EXERCISES = {exercise.name: exercise for exercise in (MEND, LIMIT, TWO_STEPS, SPACED, SLOPE, SLERP, STEP_UP)}
