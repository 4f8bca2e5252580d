"""The exercises of chapter 7, each with the wrong ideas that are known beforehand."""

from lib.ldm.exercises.first_stage import ADAPTIVE_WEIGHT, COMPRESSION, HINGE
from lib.ldm.exercises.latents import INPAINT, SCALE, UNSCALE
from lib.ldm.exercises.words import CROSS_ATTENTION, PADDING

EXERCISES = {
    exercise.name: exercise
    for exercise in (COMPRESSION, HINGE, ADAPTIVE_WEIGHT, SCALE, UNSCALE, CROSS_ATTENTION, PADDING, INPAINT)
}
