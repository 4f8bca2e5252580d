"""The exercises of chapter 3, each with the wrong ideas that are known beforehand."""

from lib.vqvae.exercises.counting import BITS, PERPLEXITY, PRIOR_INPUT
from lib.vqvae.exercises.learning import EMA_UPDATE, LOSS
from lib.vqvae.exercises.lookup import EMBED, NEAREST, STRAIGHT_THROUGH
from lib.vqvae.exercises.relaxation import GUMBEL

EXERCISES = {
    exercise.name: exercise
    for exercise in (NEAREST, EMBED, STRAIGHT_THROUGH, LOSS, EMA_UPDATE, PERPLEXITY, BITS, PRIOR_INPUT, GUMBEL)
}
