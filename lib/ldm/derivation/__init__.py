"""Latent diffusion, derived in 24 steps that are all executed: why two stages, at what scale, and how words get in.

`LDM.show(zoom=6)` shows it with a zoom of 6, 12 or 24 steps, `LDM.verify()` runs every check, `LDM.sabotage(log_snr=…)`
tells which steps notice a wrong formula. The steps stand in six files in their order: `stages`, `cost`, `critic`,
`latents`, `words`, `walk`. They rest on those of the VAE, of DDPM and of guidance, whose numbers begin with V, D and G.

Source: Rombach et al. 2022, arXiv:2112.10752, sections 3 and 4 and appendix G; the critic and its weight: Esser et al.
2021, arXiv:2012.09841, eqs. 5-7, with the hinge loss, the small number and the cut-off of their code
(taming-transformers); attention: Vaswani et al. 2017, arXiv:1706.03762, section 3.2.1.
"""

from lib.derivation import Derivation
from lib.ldm.derivation import cost, critic, latents, stages, walk, words
from lib.ldm.derivation.quantities import Q
from lib.ldm.derivation.zoom import ZOOM

LDM = Derivation(
    name="ldm",
    title="From a bound in two parts to pictures from words: latent diffusion",
    steps=tuple(step for file in (stages, cost, critic, latents, words, walk) for step in file.steps),
    zoom=ZOOM,
    quantities=Q,
)
