"""AugMix (Hendrycks et al., ICLR 2020): the transform, the losses, the benchmarks and the training loop."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["AugMix", "AugMixViews"]

if TYPE_CHECKING:
    from augmix.mixing import AugMix as AugMix
    from augmix.mixing import AugMixViews as AugMixViews


def __getattr__(name: str) -> Any:
    """Import `augmix.AugMix` and the modules on first use: `import augmix` alone stays free of torch."""
    if name in __all__:
        return getattr(import_module("augmix.mixing"), name)
    try:
        return import_module(f"augmix.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"augmix.{name}":
            raise
        raise AttributeError(f"module 'augmix' has no attribute {name!r}") from None
