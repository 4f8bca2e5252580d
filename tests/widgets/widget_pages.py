"""Small widgets, and bare pages with widgets on them, as a notebook's HTML outputs would stand on the site."""

import numpy as np
import torch
from torch import nn

from lib.widgets import DerivationView, LatentMap, NoiseSlider

GROUPS = ["faces", "animals", "flags"]

READY = """() => [...document.querySelectorAll(".dw-noised, .dw-large, .dw-frame-picture")].every((c) =>
  c.getContext("2d").getImageData(0, 0, 1, 1).data[3] === 255)"""
"""True when every picture that is unpacked first has been drawn."""


def small_decoder(seed: int, latent_dim: int = 2) -> nn.Sequential:
    """A decoder with random weights that makes 16 x 16 pictures."""
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Linear(latent_dim, 32),
        nn.SiLU(),
        nn.Linear(32, 8 * 16),
        nn.Unflatten(1, (8, 4, 4)),
        nn.ConvTranspose2d(8, 8, 4, 2, 1),
        nn.SiLU(),
        nn.ConvTranspose2d(8, 3, 4, 2, 1),
        nn.Tanh(),
    )


def latent_map(seed: int = 0, **changes) -> LatentMap:
    """Thirty codes in three groups, two models whose clouds differ in scale."""
    torch.manual_seed(seed)
    labels = np.arange(30) % 3
    codes = torch.randn(30, 2) + 3 * torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])[labels]
    settings = {
        "pictures": torch.rand(20, 3, 16, 16) * 2 - 1,
        "labels": labels,
        "group_names": GROUPS,
        "names": [f"picture {i}" for i in range(20)],
        "choice_label": "KL weight",
    }
    decoders = {"0.1": small_decoder(seed), "1": small_decoder(seed + 1)}
    return LatentMap(decoders, {"0.1": 2 * codes, "1": 0.5 * codes}, **{**settings, **changes})


def noise_slider() -> NoiseSlider:
    """With a decoder of two numbers, moved along the first."""
    return NoiseSlider(0.5, -1.0, 0.8, decoder=small_decoder(3), origin=[0.0, 1.0])


def formula(*names: str) -> str:
    """A sum as MathML."""
    terms = "<mo>+</mo>".join(f"<mi>{name}</mi>" for name in names)
    return f'<math xmlns="http://www.w3.org/1998/Math/MathML" display="inline"><mrow>{terms}</mrow></math>'


def derivation() -> DerivationView:
    """Four steps in two groups; one formula is far too wide for a phone, one check is still to be run."""
    lines = [formula("x"), formula("x", "y"), formula(*(f"x{i}" for i in range(80))), formula("y"), formula("z")]
    steps = [
        {
            "id": f"S{i + 1}",
            "before_mathml": lines[i],
            "after_mathml": lines[i + 1],
            "why_html": f"Reason <em>{i + 1}</em>.",
            "kind": "symbolic",
            "result": "" if i == 3 else "residual 0",
        }
        for i in range(4)
    ]
    groups = [
        {"id": "A", "title": "First half", "first": "S1", "last": "S2", "summary_mathml": lines[1]},
        {"id": "B", "title": "Second half", "first": "S3", "last": "S4", "summary_mathml": lines[4]},
    ]
    return DerivationView("from x to z", steps, {2: groups})


def page(*widgets, extra_head: str = "") -> str:
    """An HTML page with the widgets one under the other."""
    body = "\n".join(f"<h2>Figure {i + 1}</h2>\n{widget.static_html()}" for i, widget in enumerate(widgets))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Widgets</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">{extra_head}</head>'
        f"<body><main><h1>Widgets</h1>{body}</main></body></html>"
    )
