"""How arrays of the host reach a device."""

import numpy as np
import torch


def to_device(device: torch.device, array: np.ndarray) -> torch.Tensor:
    """Copy to the device; from pinned memory, for otherwise the copy waits for the device to finish its work."""
    tensor = torch.from_numpy(array)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def staging(shape: tuple[int, ...], device: torch.device) -> torch.Tensor:
    """Return float64 memory of the host from which a copy to the device does not wait; torch keeps it until then."""
    return torch.empty(shape, dtype=torch.float64, device="cpu", pin_memory=device.type == "cuda")
