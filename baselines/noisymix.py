"""NoisyMix (Erichson et al., 2022): Mixup and noise on AugMix's views, with AugMix's loss.

All views of a batch are mixed with the same partners by the same share; then noise multiplies and adds to a third of
the values. The noise that is added grows from the clean view to the last one.

Departures:
    - The authors mix and add noise in the input or after one of the net's first three stages, each as often, drawn anew
      for each batch. A mix sees images alone, so that here it is always the input, as in Noisy Mixup: that much of the
      method is missing.
    - The noise changes the three views by 6.2 ± 0.4, 10.6 ± 0.7 and 16.6 ± 1.1 grey levels here and by 6.3 ± 0.1,
      11.2 ± 0.3 and 16.4 ± 0.4 by their code (100 images of CIFAR-10, ± a standard error). Their errors were not
      reproduced: these need their nets and hours of a GPU.
"""

from functools import partial

import numpy as np
import torch
from torch import Tensor

from augmix.checks import check_number
from augmix.methods import Method, partners, soft_targets, uniform
from augmix.methods.augmix import method as augmix
from baselines import _kernels

NEUTRAL = 0.65
"""The share of values that either kind of noise leaves alone."""
CENTRE = 127.5
"""The value that is 0 for the noise: the authors' images are in [-1, 1]."""
NEUTRAL_BITS = round(NEUTRAL * 2**16)
"""The same share of the numbers of 16 bits."""


def method(
    *,
    alpha: float = 1.0,
    added: float = 0.5,
    multiplied: float = 0.5,
    severity: float = 3,
    all_ops: bool = False,
    views: int = 2,
    weight: float = 12.0,
) -> Method:
    """AugMix's views, mixed and noisy; its loss.

    Args:
        alpha: The parameter of λ ~ Beta(α, α), an image's share in the mix. Source: the authors'.
        added: The noise that is added, in units of half the range of values times a strength from Beta(2, 5) for each
            view. Source: the authors'.
        multiplied: The noise that multiplies, times a strength from Beta(2, 5). Source: the authors'.
        severity, all_ops, views, weight: As in `augmix`.
    """
    check_number("alpha", alpha, 0, 1e6, above=True)
    check_number("added", added, 0, 100)
    check_number("multiplied", multiplied, 0, 100)
    base = augmix(severity=severity, all_ops=all_ops, views=views, weight=weight)
    return base._replace(mix=partial(mix_noisily, alpha=alpha, added=added, multiplied=multiplied))


def mix_noisily(
    views: list[Tensor],
    targets: Tensor,
    rng: np.random.Generator,
    *,
    alpha: float,
    added: float,
    multiplied: float,
) -> tuple[list[Tensor], Tensor]:
    """Every view mixed with its partners and with noise, float32 and not clipped, and the targets mixed."""
    share = rng.beta(alpha, alpha)
    partner = partners(len(targets), rng, targets.device)
    noisy = []
    for i, view in enumerate(views, 1):
        pixels = view.to(torch.float32)
        values = torch.lerp(pixels[partner], pixels, share).contiguous()
        factor, step = multiplied * rng.beta(2, 5), CENTRE * (i * added * rng.beta(2, 5))
        if values.is_cpu:
            # Torch's numbers take three times as long to draw as the rest of the step.
            bits = rng.integers(2**64, size=-(-values.numel() // 2), dtype=np.uint64).view(np.uint32)
            count = np.count_nonzero(bits >= NEUTRAL_BITS << 16)
            normal = rng.standard_normal(count + 1, np.float32)
            _kernels.add_noise(values.numpy().reshape(-1), bits, normal, NEUTRAL_BITS, CENTRE, factor, step)
        else:
            _add_noise(values, factor, step, rng)
        noisy.append(values)
    return noisy, soft_targets(targets, partner, share)


def _add_noise(values: Tensor, factor: float, step: float, rng: np.random.Generator) -> None:
    """Multiply a share of the values by noise and add some to a share of them, in place, drawn on their device."""
    shape, device = values.shape, values.device
    values -= CENTRE
    # Below NEUTRAL it is 1, and above it from 1 - factor to 1 + factor.
    place = (uniform(shape, rng, device) - NEUTRAL) * (2 / (1 - NEUTRAL))
    values *= torch.where(place > 0, 1 + factor * (place - 1), 1.0)
    changed = uniform(shape, rng, device) > NEUTRAL
    seeded = torch.Generator(device).manual_seed(int(rng.integers(2**63)))
    values += step * changed * torch.randn(shape, generator=seeded, device=device)
    values += CENTRE
