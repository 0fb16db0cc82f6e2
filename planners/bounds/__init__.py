"""What plans keep to beside the limits: constraints, rates, delays, and a time budget."""
