"""bfloat16 where the processor computes with it, float32 elsewhere."""

import torch


def has_native_bf16(device: torch.device | str = "cpu") -> bool:
    """Whether ``device`` multiplies bfloat16 in hardware (a CPU: AVX512-BF16 or AMX); emulation is slower than fp32."""
    device = torch.device(device)
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def resolve_precision(precision: str, device: torch.device | str = "cpu") -> str:
    """Turn "auto" into "bf16" or "fp32" for this device.

    Raises:
        ValueError: if ``precision`` is none of "auto", "bf16", "fp32".
    """
    if precision not in ("auto", "bf16", "fp32"):
        raise ValueError(f'precision must be "auto", "bf16" or "fp32", got {precision!r}')
    return ("bf16" if has_native_bf16(device) else "fp32") if precision == "auto" else precision


def autocast(precision: str, device: torch.device | str = "cpu") -> torch.autocast:
    """A context in which products and convolutions run in bfloat16 if ``precision`` says so; weights stay float32."""
    enabled = resolve_precision(precision, device) == "bf16"
    return torch.autocast(torch.device(device).type, dtype=torch.bfloat16, enabled=enabled)
