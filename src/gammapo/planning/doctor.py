"""Is this machine ready? Each check looks at one thing and says how to mend it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NEEDED = ("torch", "transformers", "accelerate", "datasets", "peft", "typer", "pydantic", "pyarrow")
OPTIONAL = {
    "deepspeed": "ZeRO-3; without it FSDP2 needs nothing more",
    "vllm": "fast generation: gammapo generate --backend vllm",
    "flash_attn": "flash attention 2; without it PyTorch's own copy of it is used",
    "liger_kernel": "fused layers on a GPU: training.use_liger_kernel=true",
    "bitsandbytes": "adapters over a base of 4 bits: lora.base=4bit",
    "trl": "gammapo.integrations.trl",
}
PINNING = ("vllm", "xformers", "torchvision", "torchaudio")
PINNED = ("torch", "transformers")
SPACE = 120  # GiB: a 7B model in float32 with AdamW's state, once, and the final weights


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One check. `state` is "ok", "note" (works without it) or "bad" (will fail, or give wrong numbers)."""

    what: str
    state: str
    found: str
    mend: str = ""


def examine(folder: Path) -> list[Finding]:
    """Every check, in the order a person would mend them; `folder` is where runs are written."""
    checks: list[Callable[[], list[Finding]]] = [
        _python,
        _packages,
        _gpus,
        _communication,
        lambda: torch_pins(requirements, version),
        lambda: _disk(folder),
        _hub,
        known_bad,
    ]
    return [finding for check in checks for finding in check()]


def version(package: str) -> str | None:
    """The installed version, None where it is absent. The package is not imported."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def requirements(package: str) -> list[str]:
    """What the installed package asks for, empty where it is absent."""
    try:
        return importlib.metadata.requires(package) or []
    except importlib.metadata.PackageNotFoundError:
        return []


def _python() -> list[Finding]:
    found = ".".join(map(str, sys.version_info[:3]))
    fine = sys.version_info >= (3, 11)
    return [
        Finding(
            what="Python",
            state="ok" if fine else "bad",
            found=found,
            mend="" if fine else "install Python 3.11 or newer",
        )
    ]


def _packages() -> list[Finding]:
    findings = []
    for name in NEEDED:
        have = version(name)
        mend = "" if have else "pip install gammapo"
        findings.append(
            Finding(what=name, state="ok" if have else "bad", found=have or "not installed", mend=mend)
        )
    for name, use in OPTIONAL.items():
        have = version(name) or (version(name.replace("_", "-")))
        findings.append(
            Finding(
                what=name,
                state="ok" if have else "note",
                found=have or "not installed",
                mend="" if have else f"optional: {use}",
            )
        )
    return findings


def _gpus() -> list[Finding]:
    import torch

    if not torch.cuda.is_available():
        built = torch.version.cuda
        mend = (
            "the driver or the device is missing: see nvidia-smi"
            if built
            else "this PyTorch is built without CUDA; small models train on the CPU"
        )
        return [Finding(what="CUDA", state="note", found="no device", mend=mend)]
    findings = [Finding(what="CUDA", state="ok", found=f"{torch.version.cuda}")]
    for index in range(torch.cuda.device_count()):
        device = torch.cuda.get_device_properties(index)
        free = torch.cuda.mem_get_info(index)[0] / (1 << 30)
        size = device.total_memory / (1 << 30)
        busy = free < 0.9 * size
        with torch.cuda.device(index):  # which the question is of; emulated, all GPUs have bfloat16
            half = torch.cuda.is_bf16_supported(including_emulation=False)
        mends = [] if half else ["bfloat16 is emulated and slow: model.dtype=float32, training.bf16=false"]
        mends += ["another process holds its memory: see nvidia-smi"] if busy else []
        findings.append(
            Finding(
                what=f"GPU {index}",
                state="note" if mends else "ok",
                found=f"{device.name}, {free:.0f} of {size:.0f} GiB free",
                mend="; ".join(mends),
            )
        )
    return findings


def _communication() -> list[Finding]:
    import torch

    if not torch.cuda.is_available() or torch.cuda.device_count() < 2:
        return []
    nccl = torch.distributed.is_nccl_available()
    findings = [
        Finding(
            what="NCCL",
            state="ok" if nccl else "bad",
            found="available" if nccl else "missing",
            mend="" if nccl else "install a PyTorch build with NCCL",
        )
    ]
    shared = Path("/dev/shm")
    if shared.is_dir() and shutil.disk_usage(shared).total < 1 << 30:
        findings.append(
            Finding(
                what="shared memory",
                state="bad",
                found=f"{shutil.disk_usage(shared).total >> 20} MiB",
                mend="start the container with --shm-size=16g, or NCCL stops with a bus error",
            )
        )
    return findings


def torch_pins(requires: Callable[[str], list[str]], versions: Callable[[str], str | None]) -> list[Finding]:
    """Packages made for one PyTorch or transformers, beside another: they fail at import or in a kernel."""
    from packaging.requirements import Requirement

    findings = []
    for package in PINNING:
        for line in requires(package):
            want = Requirement(line)
            have = versions(want.name) if want.name in PINNED else None
            meant = want.marker is None or want.marker.evaluate({"extra": ""})
            if have and meant and not want.specifier.contains(have, prereleases=True):
                pin = f"{want.name}{want.specifier}"
                findings.append(
                    Finding(
                        what=package,
                        state="bad",
                        found=f"{versions(package)} wants {pin}, and {want.name} {have} is here",
                        mend=f"pip install '{pin}', or give {package} an environment of its own",
                    )
                )
    return findings


def _disk(folder: Path) -> list[Finding]:
    place = folder
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free / (1 << 30)
    fine = free >= SPACE
    return [
        Finding(
            what="disk",
            state="ok" if fine else "note",
            found=f"{free:.0f} GiB free in {place}",
            mend="" if fine else f"a full 7B run keeps checkpoints of about {SPACE} GiB each; LoRA needs 1",
        )
    ]


def _hub() -> list[Finding]:
    if os.environ.get("HF_HUB_OFFLINE") == "1":
        return [
            Finding(
                what="hub", state="note", found="offline (HF_HUB_OFFLINE=1)", mend="give local folders only"
            )
        ]
    from huggingface_hub import get_token

    token = get_token()
    return [
        Finding(
            what="hub",
            state="ok" if token else "note",
            found="logged in" if token else "not logged in",
            mend="" if token else "Llama and Gemma ask for a licence: hf auth login",
        )
    ]


def known_bad(versions: Callable[[str], str | None] = version, environment: Any = None) -> list[Finding]:
    """Combinations that are known to fail or to give wrong numbers.

    Args:
        versions: package → version or None; a parameter so that each rule can be tested.
        environment: variables, the process's own by default.
    """
    environment = os.environ if environment is None else environment
    findings = []

    def add(what: str, found: str, mend: str) -> None:
        findings.append(Finding(what=what, state="bad", found=found, mend=mend))

    if major(versions("transformers")) not in (None, 5):
        add("transformers", f"{versions('transformers')}", "pip install 'transformers>=5'")
    if major(versions("trl")) == 0:
        add("trl", f"{versions('trl')}", "pip install 'trl>=1.16': the integration is tested against it")
    if versions("deepspeed") and environment.get("ACCELERATE_USE_FSDP") == "true":
        add("engine", "FSDP asked for in an environment with DeepSpeed set up", "choose one --engine")
    if environment.get("TOKENIZERS_PARALLELISM") == "true" and environment.get("WORLD_SIZE", "1") != "1":
        add("tokenizers", "TOKENIZERS_PARALLELISM=true with several processes", "set it to false")
    if environment.get("CUDA_LAUNCH_BLOCKING") == "1":
        add("CUDA_LAUNCH_BLOCKING", "is 1: training runs several times slower", "unset it")
    if environment.get("NCCL_P2P_DISABLE") == "1":
        add("NCCL_P2P_DISABLE", "is 1: GPUs talk through the host", "unset it, if peer access works")
    return findings


def major(version: str | None) -> int | None:
    return int(version.split(".")[0]) if version else None
