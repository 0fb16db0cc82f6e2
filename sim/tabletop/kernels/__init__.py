"""The analytic models of the tabletop tasks, a file each; loaded when somebody needs one."""
