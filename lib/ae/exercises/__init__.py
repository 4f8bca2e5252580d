"""The exercises of chapter 1, each with the wrong ideas that are known beforehand."""

from lib.ae.exercises.clouds import FIT_GAUSSIAN, GAUSSIAN_DRAW
from lib.ae.exercises.codes import INTERPOLATE, PROJECT
from lib.ae.exercises.decibels import PSNR
from lib.ae.exercises.new_pictures import KERNEL_DRAW, NOVELTY
from lib.ae.exercises.pictures import FEATURE_SIZE, LOSS_EXERCISE

EXERCISES = {
    exercise.name: exercise
    for exercise in (
        FEATURE_SIZE,
        LOSS_EXERCISE,
        PSNR,
        PROJECT,
        INTERPOLATE,
        FIT_GAUSSIAN,
        GAUSSIAN_DRAW,
        NOVELTY,
        KERNEL_DRAW,
    )
}
