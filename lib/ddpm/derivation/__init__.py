"""DDPM, derived in 100 steps that are all executed."""
