"""AugMix (Hendrycks et al., ICLR 2020): the transform, its losses, -C and -P; `augmix.suite` runs experiments."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"
__all__ = [
    "AugMix", "AugMixViews", "corruptions", "evaluate", "load", "losses", "methods", "metrics", "mixing", "models",
    "operations", "perturbations",
]  # fmt: skip

if TYPE_CHECKING:
    from augmix import corruptions, losses, methods, metrics, mixing, models, operations, perturbations
    from augmix.scoring import evaluate
    from augmix.transform import AugMix, AugMixViews


def __getattr__(name: str) -> Any:
    """Import `augmix.AugMix` and the modules on first use: `import augmix` alone stays free of torch."""
    if name in ("AugMix", "AugMixViews"):
        return getattr(import_module("augmix.transform"), name)
    if name == "evaluate":
        return import_module("augmix.scoring").evaluate
    if name == "load":
        return import_module("augmix.suite.evaluate.browse").load
    if name in __all__:
        return import_module(f"augmix.{name}")
    raise AttributeError(f"module 'augmix' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
