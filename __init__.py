"""covary: simulation, perception, planners and policies that share one declared symmetry."""
