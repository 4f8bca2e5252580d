"""Chapter 4: denoising diffusion (DDPM)."""
