"""Physics engines behind one small interface: what moves a scene by one tick."""
