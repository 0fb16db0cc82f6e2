"""Whole plans as one compiled kernel."""
