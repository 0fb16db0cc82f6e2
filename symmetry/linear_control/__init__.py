"""Linear control under symmetry: linearised models, how few numbers they hold, and LQR."""
