"""How the known Gymnasium environments are solved by hand, one file for those that are alike."""
