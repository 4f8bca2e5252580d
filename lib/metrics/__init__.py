"""Numbers that judge pictures: distances between sets, shares of coverage, errors pixel by pixel.

====================  ===============================================================================
`emoji_features`      64 features of pictures of 32 or 64 pixels, from a small network trained on the emoji
`frechet_distance`    how far a set of pictures is from another, by the Gaussians of their features
`frechet_unit`        the distance of two halves of the real emoji: the unit to read distances in
`gaussian_frechet`    the same between two Gaussians that are given
`precision_recall`    do the fakes look real, and is all of the real set reached?
`psnr`                pixel by pixel, in decibels
`nearest`             the training pictures closest to a picture
`read_scene`          shape, colour, size and place of every object in pictures of scenes, without training
`score_scenes`        how much of what was read is true; `score_captions`: shown as the caption says
`lib.metrics.damage`  blur, noise, shift and double exposure by known amounts
====================  ===============================================================================
"""

from lib.metrics.features import FeatureNet, emoji_features, frechet_unit
from lib.metrics.frechet import frechet_distance, gaussian_frechet
from lib.metrics.images import Neighbours, nearest, psnr
from lib.metrics.precision_recall import PrecisionRecall, inside_manifold, neighbour_radii, precision_recall
from lib.metrics.scene_scores import compare_captions, compare_scenes, score_captions, score_scenes
from lib.metrics.scenes import SceneReading, read_scene

__all__ = [
    "FeatureNet",
    "Neighbours",
    "PrecisionRecall",
    "SceneReading",
    "compare_captions",
    "compare_scenes",
    "emoji_features",
    "frechet_distance",
    "frechet_unit",
    "gaussian_frechet",
    "inside_manifold",
    "nearest",
    "neighbour_radii",
    "precision_recall",
    "psnr",
    "read_scene",
    "score_captions",
    "score_scenes",
]
