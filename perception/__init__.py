"""From sensors to state and what comes next: encoders, symmetric embeddings, world models."""
