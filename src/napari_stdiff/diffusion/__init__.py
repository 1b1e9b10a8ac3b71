"""What all diffusion models share: process, samplers, denoiser, fit loop."""
