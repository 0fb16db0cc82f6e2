"""How a group acts on arrays: groups, parts, and the one declaration the whole stack shares."""
