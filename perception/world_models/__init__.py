"""Learned models of what comes next, each with the group that acts on its latent."""
