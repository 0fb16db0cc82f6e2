"""Launch files: from YAML text to descriptions of processes, and their static check."""
