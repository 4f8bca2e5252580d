"""A small Markov chain on which every expectation is a finite sum: identities of probability, checked exactly."""

from functools import cached_property

import numpy as np


class Chain:
    """Two random models of a path x_0 … x_T over a few states: a forward chain q and a reverse chain p.

    Every factor comes as an array with one axis per time, of length 1 where it does not depend on that time, so that
    factors multiply as they do on paper: ``chain.q`` equals ``data * forward(1) * … * forward(T)``.

    Args:
        num_states: states per time.
        num_timesteps: T.
        seed: of the random transition probabilities.
    """

    def __init__(self, num_states: int = 3, num_timesteps: int = 4, seed: int = 7):
        rng = np.random.default_rng(seed)
        self.num_states, self.num_timesteps = num_states, num_timesteps
        self._data, self._prior = rng.dirichlet(np.ones(num_states), size=2)
        shape = (num_timesteps, num_states)
        self._forward = rng.dirichlet(np.full(num_states, 2.0), size=shape)  # [t - 1, x_{t-1}, x_t]
        self._reverse = rng.dirichlet(np.full(num_states, 2.0), size=shape)  # [t - 1, x_t, x_{t-1}]

    @property
    def data(self) -> np.ndarray:
        """q(x_0)"""
        return self._on((0,), self._data)

    @property
    def prior(self) -> np.ndarray:
        """p(x_T)"""
        return self._on((self.num_timesteps,), self._prior)

    def forward(self, t: int) -> np.ndarray:
        """q(x_t given x_{t-1})"""
        return self._on((t - 1, t), self._forward[t - 1])

    def reverse(self, t: int) -> np.ndarray:
        """p(x_{t-1} given x_t)"""
        return self._on((t - 1, t), self._reverse[t - 1].T)

    @cached_property
    def q(self) -> np.ndarray:
        """q(x_0, …, x_T)"""
        return self.data * np.prod([np.broadcast_to(self.forward(t), self.shape) for t in self.times], axis=0)

    @cached_property
    def p(self) -> np.ndarray:
        """p(x_0, …, x_T)"""
        return self.prior * np.prod([np.broadcast_to(self.reverse(t), self.shape) for t in self.times], axis=0)

    @property
    def times(self) -> range:
        """1 … T"""
        return range(1, self.num_timesteps + 1)

    @property
    def shape(self) -> tuple[int, ...]:
        """One axis per time."""
        return (self.num_states,) * (self.num_timesteps + 1)

    def marginal(self, joint: np.ndarray, *times: int) -> np.ndarray:
        """The joint distribution of the states at these times, summed over all others."""
        others = tuple(t for t in range(self.num_timesteps + 1) if t not in times)
        return np.broadcast_to(joint, self.shape).sum(axis=others, keepdims=True)

    def conditional(self, joint: np.ndarray, of: tuple[int, ...], given: tuple[int, ...]) -> np.ndarray:
        """The distribution of the states at some times given those at others, by the definition of a conditional."""
        return self.marginal(joint, *of, *given) / self.marginal(joint, *given)

    def mean(self, values: np.ndarray) -> float:
        """Expectation under q."""
        return float((self.q * values).sum())

    def _on(self, times: tuple[int, ...], table: np.ndarray) -> np.ndarray:
        """The table with its axes at these times."""
        return table.reshape([self.num_states if t in times else 1 for t in range(self.num_timesteps + 1)])
