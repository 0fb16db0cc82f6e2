"""Collecting demonstrations: attempts in order, and the workers that make them."""
