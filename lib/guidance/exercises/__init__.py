"""The exercises of chapter 6, each with the wrong ideas that are known beforehand."""

from lib.guidance.exercises.classifier import CLASSIFIER_EPS, CLASSIFIER_MEAN, IMPLICIT_GRAD
from lib.guidance.exercises.free import DROP_LABELS, GUIDE, SCALE
from lib.guidance.exercises.network import ADAGN, GRAM

EXERCISES = {
    exercise.name: exercise
    for exercise in (CLASSIFIER_EPS, CLASSIFIER_MEAN, DROP_LABELS, GUIDE, SCALE, IMPLICIT_GRAD, ADAGN, GRAM)
}
