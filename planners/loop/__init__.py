"""What every sampling planner is composed of: noise, splines, samples, weights, and memory."""
