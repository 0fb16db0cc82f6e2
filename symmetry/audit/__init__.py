"""Symmetry as a measured quantity: degrees, floors, bounds and advice for a proposed group."""
