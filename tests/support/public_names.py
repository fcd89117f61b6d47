"""What is public: modules, and the names in them that have to be documented."""

import importlib
import importlib.util
import inspect

MODULES = (
    *(
        "skrnn",
        "skrnn.augmentation",
        "skrnn.callbacks",
        "skrnn.cells",
        "skrnn.checks",
        "skrnn.convolution",
        "skrnn.distributed",
        "skrnn.early",
        "skrnn.export",
        "skrnn.initializers",
        "skrnn.inspection",
        "skrnn.interchange",
    ),
    "skrnn.forecasting",
    *("skrnn.losses", "skrnn.metrics", "skrnn.model_selection", "skrnn.optimizers", "skrnn.preprocessing"),
    *("skrnn.schedules", "skrnn.sequences", "skrnn.streaming", "skrnn.structure"),
    *(["skrnn.adapters"] if importlib.util.find_spec("sktime") else []),  # whose base class is one of sktime
)
ELSEWHERE = {"forward", "backward", "setup", "on_fit_task_begin", "on_fit_task_end", "teardown"}


def public_objects():
    """Qualified names of the public classes and functions, and of the methods and properties that are ours."""
    found = []
    for module_name in MODULES:
        module = importlib.import_module(module_name)
        own = [name for name, value in vars(module).items() if getattr(value, "__module__", "") == module_name]
        for name in getattr(module, "__all__", own):
            public = getattr(module, name)
            if callable(public) and not name.startswith("_"):
                found.append(f"{module_name}.{name}")
                members = inspect.getmembers(public) if inspect.isclass(public) else []
                found += [f"{module_name}.{name}.{member}" for member, value in members if is_public(member, value)]
    return found


def is_public(name, member):
    """Whether a member of a class is to be documented where it stands.

    A cell's equations are in the docstring of the cell, the hooks of callbacks in the protocol of scikit-learn.
    """
    function = member.fget if isinstance(member, property) else member
    is_ours = callable(function) and (getattr(function, "__module__", None) or "").startswith("skrnn.")
    return is_ours and not name.startswith("_") and name not in ELSEWHERE
