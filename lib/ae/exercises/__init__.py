"""The exercises of chapter 1, each with the wrong ideas that are known beforehand."""

from lib.ae.exercises.clouds import FIT_GAUSSIAN, GAUSSIAN_DRAW, KERNEL_DRAW
from lib.ae.exercises.codes import INTERPOLATE, PROJECT
from lib.ae.exercises.pictures import FEATURE_SIZE, LOSS_EXERCISE, PSNR

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
        KERNEL_DRAW,
    )
}
