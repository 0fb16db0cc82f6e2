"""The tasks, one class a file: point_mass, reacher, push."""
