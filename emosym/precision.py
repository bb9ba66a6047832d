"""Where and in what precision a system computes."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from emosym_registry import EmosymError
from emosym_registry.errors import unknown

from emosym.toolkit import DTYPES


def choose_device(device: str) -> torch.device:
    """``auto`` takes CUDA where there is one; a device that is not there is an error."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    hint = "use --device cpu or auto"
    try:
        chosen = torch.device(device)
    except RuntimeError as error:  # whose message lists every device that torch was ever taught
        raise EmosymError(
            "compute.no-device", f"{device!r} is no device that torch knows", hint=hint
        ) from error
    try:
        torch.empty(1, device=chosen)
    except (RuntimeError, AssertionError, AttributeError) as error:
        raise EmosymError(
            "compute.no-device",
            f"device {device!r} is not available here: {str(error).splitlines()[0]}",
            hint=hint,
        ) from error
    return chosen


def choose_precision(precision: str, device: torch.device) -> str:
    """``auto`` takes bf16 where the hardware multiplies it natively (CUDA Ampere on, AVX512-BF16), fp32 elsewhere."""
    if precision != "auto":
        if precision not in DTYPES:
            raise unknown("compute.unknown-precision", "precision", precision, ("auto", *DTYPES))
        if precision == "fp16" and device.type == "cpu":
            raise EmosymError(
                "compute.no-fp16-on-cpu",
                "fp16 does not train on a CPU",
                hint="use --precision bf16, fp32 or auto",
            )
        return precision
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported() else "fp32"
    native = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    return "bf16" if device.type == "cpu" and native() else "fp32"


def autocast(device: torch.device, precision: str) -> AbstractContextManager[None]:
    """The mixed precision of a system, nothing for fp32."""
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(device.type, dtype=DTYPES[precision])
