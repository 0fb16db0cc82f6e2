"""What `covary export` writes: one file per format, and what they have in common."""
