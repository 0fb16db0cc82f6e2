"""The networks of policies: features, encoders, heads."""
