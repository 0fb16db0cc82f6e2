"""What `covary evaluate` does: who acts, the episodes, the figures, what a person sees."""
