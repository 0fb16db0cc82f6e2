"""Scripts of the expert, one file a task: from a stage and the state to where the gripper goes."""
