"""What `covary collect` writes for people: the dataset's card and page, the progress, the table."""
