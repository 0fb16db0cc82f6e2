"""Robots for the tabletop: what each adds to a scene, and how it is told to move."""
