"""The runtime: messages, bus, node, clock, parameters, launch, supervision, recording."""
