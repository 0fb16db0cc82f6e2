"""Layers that commute with a finite group, exactly, nearly or not at all, by one word."""
