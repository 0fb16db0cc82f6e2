"""What `covary train` shows people: the progress, the curves, the table."""
