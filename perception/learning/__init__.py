"""Ways of learning perception and world models, one file each; a recipe names its file."""
