"""What the long grids of benchmarks/results share."""
