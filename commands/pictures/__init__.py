"""PNG files that show a dataset: its images, its actions, where things were."""
