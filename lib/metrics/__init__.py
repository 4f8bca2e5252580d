"""Numbers that judge pictures: distances between sets, shares of coverage, and errors pixel by pixel."""

from .frechet import frechet_distance, gaussian_frechet
from .images import Neighbours, nearest, psnr
from .precision_recall import PrecisionRecall, inside_manifold, neighbour_radii, precision_recall

__all__ = [
    "Neighbours",
    "PrecisionRecall",
    "frechet_distance",
    "gaussian_frechet",
    "inside_manifold",
    "nearest",
    "neighbour_radii",
    "precision_recall",
    "psnr",
]
