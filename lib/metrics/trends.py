"""What the metrics are worth, measured: ``python -m lib.trends NAME``."""

from lib.metrics.feature_trend import feature_distance
from lib.metrics.scene_trend import scene_reader

TRENDS = {"feature_distance": feature_distance, "scene_reader": scene_reader}
