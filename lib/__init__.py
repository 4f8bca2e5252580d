"""The packages behind the notebooks of Generative Vision, Step by Step."""
