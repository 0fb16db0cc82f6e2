"""Environments of other people, made for Gymnasium, in the place of a task and its plant."""
