"""What the metrics are worth, measured: ``python -m lib.trends NAME``."""

from lib.metrics.feature_trend import feature_distance

TRENDS = {"feature_distance": feature_distance}
