"""How a planner uses the symmetry beyond orbits: canonical frames, kept plans, sides."""
