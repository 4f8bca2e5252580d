"""What a result was computed on and with, for its card."""

import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path

import torch

from lib.training.precision import has_native_bf16


def hardware(device: torch.device | str = "cpu") -> str:
    """The machine in words, such as "2 cores of AMD EPYC, native bf16, Linux x86_64"."""
    device = torch.device(device)
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)}, {platform.system()} {platform.machine()}"
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    bf16 = "native bf16" if has_native_bf16() else "no native bf16"
    return f"{cores} core{'s' * (cores != 1)} of {_processor()}, {bf16}, {platform.system()} {platform.machine()}"


def _processor() -> str:
    """The processor's name where the system tells it."""
    table = Path("/proc/cpuinfo")
    if table.exists():
        for line in table.read_text("utf8", "replace").splitlines():
            if line.lower().startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that numbers depend on."""
    return {"python": ".".join(map(str, sys.version_info[:3]))} | {name: version(name) for name in ("torch", "numpy")}
