"""The data of the course: emoji pictures, drawn scenes, 2-D points with exact scores, and two public downloads.

=================  =====================================================================================
`emoji`            3,655 emoji pictures with names, at 32 or 64 pixels, split by concept; shipped
`points`           clouds in the plane: moons, rings, a checkerboard, …
`mixture`          the clouds whose exact density, score and denoiser are known at any noise level
`GaussianMixture`  the same for a mixture of your own
`PointSet`         exact score and denoiser of any finite set, training pictures included
`shapes`           scenes of coloured shapes with exact truth: attributes, boxes, masks, captions, relations
`moving_shapes`    the same in motion: short videos with the truth in every frame
`download`         Fashion-MNIST and CIFAR-10, verified; the only part that ever needs a network
=================  =====================================================================================
"""

from lib.data.captions import COLOURS, HELD_OUT_PAIRS, HELD_OUT_RELATIONS, RELATIONS, SIZES, Caption, parse_caption
from lib.data.downloads import (
    CorruptFileError,
    DownloadError,
    LabelledImages,
    MissingMemberError,
    OfflineError,
    TruncatedFileError,
    download,
)
from lib.data.emoji_pictures import Emoji, EmojiDataError, EmojiSet, emoji
from lib.data.mixtures import GaussianMixture, PointSet
from lib.data.points import mixture, points
from lib.data.shape_motion import MovingScenes, moving_shapes
from lib.data.shape_scenes import Scenes, shapes
from lib.data.shape_sdf import CLASSES

__all__ = [
    "CLASSES",
    "COLOURS",
    "HELD_OUT_PAIRS",
    "HELD_OUT_RELATIONS",
    "RELATIONS",
    "SIZES",
    "Caption",
    "CorruptFileError",
    "DownloadError",
    "Emoji",
    "EmojiDataError",
    "EmojiSet",
    "GaussianMixture",
    "LabelledImages",
    "MissingMemberError",
    "MovingScenes",
    "OfflineError",
    "PointSet",
    "Scenes",
    "TruncatedFileError",
    "download",
    "emoji",
    "mixture",
    "moving_shapes",
    "parse_caption",
    "points",
    "shapes",
]
