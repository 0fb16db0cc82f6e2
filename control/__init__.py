"""From a plan, or straight from a state, to a command: following, guarding, policies."""
