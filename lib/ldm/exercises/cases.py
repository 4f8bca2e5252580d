"""The headings of the chapter that exercises point to, and inputs that they share."""

from lib.ddpm.exercises.cases import double

WHY = "Why not in pixels"
CRITIC = "The critic"
SCALE_FACTOR = "The scale of latents"
WORDS = "How words reach the picture"
PADDING = "Words that are not there"
HOLES = "Filling a hole"

__all__ = ["CRITIC", "HOLES", "PADDING", "SCALE_FACTOR", "WHY", "WORDS", "double"]
