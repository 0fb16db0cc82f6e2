"""Derivatives along a trajectory, and feedback that follows from them."""
