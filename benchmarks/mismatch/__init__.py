"""Data sets whose degrees of correct, incorrect and extrinsic equivariance are known."""
