"""What every training shares: its recipe, the loop that a kill cannot harm, its checkpoints."""
