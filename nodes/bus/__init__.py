"""Messages between nodes: the bus within a process and between processes, and its wire format."""
