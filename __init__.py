"""covary: simulation, planners and policies as processes that share one declared symmetry."""


def __getattr__(name: str) -> str:
    """`covary.__version__`, looked up only when somebody asks."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import version

    return version("covary")
