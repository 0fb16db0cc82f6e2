"""How good a latent and its predictions are: ranks, errors of equivariance, pictures."""
