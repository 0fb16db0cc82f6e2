"""What a person types: one file a command; no room imports this one."""
