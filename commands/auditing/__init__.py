"""How exact a planner is: what `covary audit` compares."""
