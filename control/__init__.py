"""From a plan to a command: following it between replans, refusing what does not fit."""
