"""Runs the benchmarks one after another, beside the peers that they are compared with."""
