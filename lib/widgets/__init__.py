"""Interactive figures that live in the notebook, and on a page without a kernel."""

from lib.widgets.base import StaticAnyWidget
from lib.widgets.caption_builder import CaptionBuilder
from lib.widgets.codebook_inspector import CodebookInspector
from lib.widgets.derivation_view import DerivationView
from lib.widgets.frame_explorer import FrameExplorer
from lib.widgets.guidance_field import GuidanceField
from lib.widgets.latent_map import LatentMap
from lib.widgets.latent_stage import latent_stage
from lib.widgets.latent_viewer import LatentViewer
from lib.widgets.nn import export_layers
from lib.widgets.noise_slider import NoiseSlider
from lib.widgets.particles import Particles
from lib.widgets.reverse_scrubber import ReverseScrubber
from lib.widgets.schedule_lab import ScheduleLab
from lib.widgets.steps_explorer import StepsExplorer

__all__ = [
    "CaptionBuilder",
    "CodebookInspector",
    "DerivationView",
    "FrameExplorer",
    "GuidanceField",
    "LatentMap",
    "LatentViewer",
    "NoiseSlider",
    "Particles",
    "ReverseScrubber",
    "ScheduleLab",
    "StaticAnyWidget",
    "StepsExplorer",
    "export_layers",
    "latent_stage",
]
