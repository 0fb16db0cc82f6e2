"""The tasks, one class a file: point_mass, push, cart_pole, block_push ..."""
