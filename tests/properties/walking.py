"""What the laws run over: every class of a kind that a package of ours holds."""

import importlib
import inspect
import pkgutil


def found(package, kind):
    """The classes of a kind that stand in a package's modules and can be made, in their order."""
    classes = []
    for module in pkgutil.iter_modules(package.__path__):
        loaded = importlib.import_module(f"{package.__name__}.{module.name}")
        for _, cls in inspect.getmembers(loaded, inspect.isclass):
            own = cls.__module__ == loaded.__name__ and issubclass(cls, kind)
            if own and not inspect.isabstract(cls):
                classes.append(cls)
    return classes


def promised(task, planner):
    """Whether plans are exact: those of iLQR are refused where the model switches."""
    return not (getattr(task, "switching", False) and hasattr(planner.Parameters, "polish"))
