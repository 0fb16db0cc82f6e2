"""The world: tasks, dynamics, physics engines, cameras, and the node that simulates."""
