"""The trainings of chapter 7: five first stages, then words and three second stages on latents of one.

python -m lib.train ldm_kl_f4
python -m lib.train ldm_kl_f2
python -m lib.train ldm_kl_f8
python -m lib.train ldm_vq_f4
python -m lib.train ldm_kl_f4_no_gan
python -m lib.train ldm_words           (needs the checkpoint ldm_kl_f4, as do the others below)
python -m lib.train ldm_shapes          (needs ldm_words as well)
python -m lib.train ldm_emoji
python -m lib.train ldm_layout
"""

from lib.ldm.first_stage import FIRST_STAGES
from lib.ldm.second_stage import SECOND_STAGES, TEXT_ENCODERS

RECIPES = {**FIRST_STAGES, **TEXT_ENCODERS, **SECOND_STAGES}
