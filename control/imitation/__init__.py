"""Learning from demonstrations; only training loads it, since it needs torch."""
