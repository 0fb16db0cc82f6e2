"""Tabletop manipulation: what its tasks share, and the things that lie on the table."""
