"""Worlds seen as pixels, to learn models of: fast to step and to draw, each with a known group."""
