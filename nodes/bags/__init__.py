"""Recordings: written as bags, mended after a kill, read back as arrays."""
