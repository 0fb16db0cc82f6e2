"""Environments and wrappers of our own, which import Gymnasium: made by id, or by `make`."""
