"""From what sensors give to latents of which it is known how a group acts on them."""
