"""Interactive figures that live in the notebook, and on a page without a kernel."""

from lib.widgets.base import StaticAnyWidget
from lib.widgets.latent_map import LatentMap
from lib.widgets.nn import export_layers

__all__ = ["LatentMap", "StaticAnyWidget", "export_layers"]
