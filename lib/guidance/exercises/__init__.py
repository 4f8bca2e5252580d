"""The exercises of chapter 6, each with the wrong ideas that are known beforehand."""

from lib.guidance.exercises.classifier import MEAN_SCALE, PUSH_IN_X0, SHARPEN
from lib.guidance.exercises.free import CHANNEL_SCALES, DROP_PARTS, OTHER_SCALE
from lib.guidance.exercises.network import GRAM_JOINED

EXERCISES = {
    exercise.name: exercise
    for exercise in (
        PUSH_IN_X0, MEAN_SCALE, SHARPEN, OTHER_SCALE, CHANNEL_SCALES, DROP_PARTS, GRAM_JOINED,
    )
}  # fmt: skip
