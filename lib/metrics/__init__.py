"""Numbers that judge pictures: distances between sets, shares of coverage, errors pixel by pixel.

====================  ===============================================================================
`emoji_features`      64 features of pictures of 32 or 64 pixels, from a small network trained on the emoji
`frechet_distance`    how far a set of pictures is from another, by the Gaussians of their features
`frechet_unit`        the distance of two halves of the real emoji: the unit to read distances in
`gaussian_frechet`    the same between two Gaussians that are given
`precision_recall`    do the fakes look real, and is all of the real set reached?
`psnr`                pixel by pixel, in decibels
`nearest`             the training pictures closest to a picture
`lib.metrics.damage`  blur, noise, shift and double exposure by known amounts
====================  ===============================================================================
"""

from lib.metrics.features import FeatureNet, emoji_features, frechet_unit
from lib.metrics.frechet import frechet_distance, gaussian_frechet
from lib.metrics.images import Neighbours, nearest, psnr
from lib.metrics.precision_recall import PrecisionRecall, inside_manifold, neighbour_radii, precision_recall

__all__ = [
    "FeatureNet",
    "Neighbours",
    "PrecisionRecall",
    "emoji_features",
    "frechet_distance",
    "frechet_unit",
    "gaussian_frechet",
    "inside_manifold",
    "nearest",
    "neighbour_radii",
    "precision_recall",
    "psnr",
]
