"""What `covary discover` is made of: data as clouds of points, the search, pictures and files."""
