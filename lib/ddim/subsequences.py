"""Which levels to visit: rising sub-sequences of 1..T, for `lib.ddim.sample` and `lib.ddim.invert`.

Libraries number levels from 0, the first *noisy* one: their timestep i is our level i + 1, and their clean picture is
no timestep at all but an extra number ("final alpha"). `leading`, `trailing` and `linspace` are the three spacings of
`diffusers` in our numbers. Its `DDIMScheduler.step`, though, always moves by T // S timesteps, whatever the spacing:
where the next level of the list is another one, the picture is treated there as if it had a noise it does not have.
With `leading`, and with `trailing` where S divides T, both agree.
"""

from fractions import Fraction


def evenly(num_timesteps: int, num_steps: int) -> list[int]:
    """Level i is the whole part of i · T / S: the paper's "linear", and it ends at T.

    Raises:
        ValueError: if not 1 <= num_steps <= num_timesteps.

    Source: Song et al. 2020, arXiv:2010.02502, appendix D.
    """
    _check(num_timesteps, num_steps)
    return [i * num_timesteps // num_steps for i in range(1, num_steps + 1)]


def quadratic(num_timesteps: int, num_steps: int) -> list[int]:
    """Level i is the whole part of T · (i / S)², or i where that is more: dense among the clean levels, ends at T.

    The squares alone would name some low levels twice when S is above sqrt(T). (The paper's code stops at 0.8 T, and
    keeps the doubles.)

    Raises:
        ValueError: if not 1 <= num_steps <= num_timesteps.

    Source: Song et al. 2020, arXiv:2010.02502, appendix D.
    """
    _check(num_timesteps, num_steps)
    return [max(i, num_timesteps * i**2 // num_steps**2) for i in range(1, num_steps + 1)]


def leading(num_timesteps: int, num_steps: int, offset: int = 0) -> list[int]:
    """From level 1 upward in strides of T // S; the highest level is *not* T, so the walk starts in too little noise.

    Args:
        num_timesteps: T.
        num_steps: S.
        offset: added to every level: ``steps_offset`` in `diffusers`, 1 for Stable Diffusion.

    Raises:
        ValueError: if not 1 <= num_steps <= num_timesteps, or the offset pushes a level out of 1..T.
    """
    _check(num_timesteps, num_steps)
    levels = [i * (num_timesteps // num_steps) + 1 + offset for i in range(num_steps)]
    if levels[0] < 1 or levels[-1] > num_timesteps:
        raise ValueError(f"offset must keep levels within 1..{num_timesteps}, got {offset}, up to level {levels[-1]}")
    return levels


def trailing(num_timesteps: int, num_steps: int) -> list[int]:
    """From T downward in strides of T / S, rounded to the nearest level, halves to the even one.

    Raises:
        ValueError: if not 1 <= num_steps <= num_timesteps.

    Source: Lin et al. 2023, arXiv:2305.08891, section 3.3.
    """
    _check(num_timesteps, num_steps)
    return [round(Fraction(i * num_timesteps, num_steps)) for i in range(1, num_steps + 1)]


def linspace(num_timesteps: int, num_steps: int) -> list[int]:
    """S levels from 1 to T, both ends included, rounded as in `trailing`.

    Raises:
        ValueError: if not 2 <= num_steps <= num_timesteps. (One level would be level 1, almost the clean picture,
            where a walk from noise cannot begin; `diffusers` would begin there.)
    """
    _check(num_timesteps, num_steps, fewest=2)
    return [1 + round(Fraction(i * (num_timesteps - 1), num_steps - 1)) for i in range(num_steps)]


SPACINGS = {
    "evenly": evenly,
    "quadratic": quadratic,
    "leading": leading,
    "trailing": trailing,
    "linspace": linspace,
}
"""Every sub-sequence by its name."""


def _check(num_timesteps: int, num_steps: int, fewest: int = 1) -> None:
    if not fewest <= num_steps <= num_timesteps:
        raise ValueError(f"num_steps must lie in {fewest}..{num_timesteps}, the levels that there are, got {num_steps}")
