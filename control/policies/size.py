"""How large a network may be: what a slip of the finger asks for must not take all memory."""

MOST = {"width": 16_384, "depth": 100, "chunk": 1_000, "banks": 64, "image_maps": 1_024}
MOST |= {"model_width": 4_096, "model_depth": 20, "ensemble": 64, "candidates": 4_096}
"""Of each number that a network's size is made of, and of models beside it."""
LARGEST = 250_000_000
"""Numbers in all layers together: a GB of weights, four with Adam's moments."""


def check_size(width: int, depth: int, chunk: int, banks: int) -> None:
    """Refuse a network that nobody means, before anything of it is made.

    Args:
        width: Hidden channels.
        depth: Hidden layers.
        chunk: Actions in an answer.
        banks: Of its relaxed layers.

    Raises:
        ValueError: One of them is below one or too large; one line that begins with its name.
    """
    check_counts(width=width, depth=depth, chunk=chunk, banks=banks)
    numbers = width * width * depth * banks
    if numbers > LARGEST:
        raise ValueError(
            f"width: {depth} layers of {width} channels and {banks} banks are {numbers} numbers; "
            f"at most {LARGEST}"
        )


def check_counts(**values: int) -> None:
    """Refuse what is below one or above `MOST` of its name.

    Raises:
        ValueError: One line that begins with the name.
    """
    for name, value in values.items():
        if not 1 <= value <= MOST[name]:
            raise ValueError(f"{name}: {value} must be at least 1 and at most {MOST[name]}")
