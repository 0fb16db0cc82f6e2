"""From a state to a plan: sampling planners, their splines, and the node that runs one."""
