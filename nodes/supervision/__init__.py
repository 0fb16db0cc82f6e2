"""Running a launch: processes started, watched and taken down, or all nodes in one process."""
