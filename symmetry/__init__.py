"""How a group acts on arrays: groups, parts, and the declaration that carries one symmetry through the stack."""
