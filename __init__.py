"""covary: simulation, planners and policies as processes that share one declared symmetry."""
