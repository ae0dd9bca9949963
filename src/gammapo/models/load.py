"""Causal language models and tokenizers from a folder, a hub id, an adapter folder or the embedded model."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gammapo.errors import InputError, MissingExtraError
from gammapo.models import embedded
from gammapo.models.whole import OPTIONS, read_whole, reading

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

DTYPES = ("float32", "bfloat16", "float16")


def resolve(path: str | Path) -> str:
    """What transformers is given: the embedded model's folder for "smollm2", otherwise the path itself.

    Raises:
        InputError: a local folder that holds no model.
    """
    if str(path) == embedded.NAME:
        return str(embedded.model_folder())
    folder = Path(path)
    if folder.is_dir():
        if not any((folder / name).is_file() for name in ("config.json", "adapter_config.json")):
            raise InputError(
                "the folder is no model",
                file=folder,
                expected="config.json (a model) or adapter_config.json (an adapter)",
                fix="give a folder saved by save_pretrained, a hub id, or smollm2",
            )
    elif folder.is_file() or str(path).startswith((".", "/", "~")) or str(path).count("/") > 1:
        raise InputError(
            "no such model folder",
            file=path,
            fix="give a folder saved by save_pretrained, a hub id, or smollm2",
        )
    return str(path)


def is_adapter(path: str | Path) -> bool:
    return (Path(path) / "adapter_config.json").is_file()


def load_tokenizer(path: str | Path) -> PreTrainedTokenizerBase:
    """The tokenizer saved with a model; of an adapter saved without one, its base's.

    Raises:
        InputError: there is none, or it cannot be read.
    """
    from transformers import AutoTokenizer

    where = resolve(path)
    if is_adapter(where) and not any(Path(where).glob("tokenizer*")):
        return load_tokenizer(_base_of(where))
    fix = "save the tokenizer into the model's folder, or check the hub id and the network"
    with reading("tokenizer can be loaded", path, fix=fix):
        tokenizer = AutoTokenizer.from_pretrained(where, **OPTIONS)
    if len(tokenizer) < 100:  # without its files, transformers makes one that knows special tokens only
        raise InputError(
            f"the tokenizer knows {len(tokenizer)} tokens",
            file=path,
            expected="tokenizer.json, or the vocabulary files of the model's tokenizer",
            fix="save the tokenizer into the model's folder",
        )
    return tokenizer


def load_config(path: str | Path, *, local_files_only: bool = False) -> PretrainedConfig:
    """A model's config, which needs none of its weights.

    Raises:
        InputError: there is none, or it needs code from beside the weights.
    """
    from transformers import AutoConfig

    where = resolve(path)
    fix = "give a folder with config.json, or a hub id that the network reaches"
    with reading("model config can be read", path, fix=fix):
        return AutoConfig.from_pretrained(where, local_files_only=local_files_only, **OPTIONS)


def load_model(
    path: str | Path,
    *,
    dtype: str = "float32",
    device: str | None = None,
    weights: bool = True,
    four_bit: bool = False,
) -> PreTrainedModel:
    """A causal language model, in evaluation mode.

    An adapter folder is loaded on top of the base model that it names, and merged into it.

    Args:
        path: folder, hub id, or "smollm2".
        dtype: "float32", "bfloat16" or "float16".
        device: where to put it; None leaves it on the CPU.
        weights: False leaves them unread: memory is set aside and not touched, which takes up none. For the
            processes of a sharded run that get their share from the first one.
        four_bit: linear layers but the head in 4 bits (NF4 with double quantisation, arXiv:2305.14314), on
            the accelerator where there is one; `dtype` is the type they compute in. For adapters on top.

    Raises:
        InputError: no causal language model there, or one whose weights are not all there.
    """
    import torch

    if dtype not in DTYPES:
        raise InputError(
            f"got {dtype!r}", field="dtype", expected="one of " + ", ".join(DTYPES), fix="change it"
        )
    where = resolve(path)
    if four_bit and is_adapter(where):
        raise InputError(
            "an adapter is merged into its base, which 4 bits cannot hold",
            file=path,
            expected="a whole model, to be read in 4 bits",
            fix="merge it first (gammapo export RUN --merge -o FOLDER)",
        )
    fix = "give a folder saved by save_pretrained, a hub id that the network reaches, or smollm2"
    with reading("causal language model can be loaded", path, fix=fix):
        if is_adapter(where):
            model = _load_adapter(where, dtype)
        elif four_bit:
            model = _in_four_bits(where, dtype)
        elif not weights:
            model = _without_weights(where, dtype)
        else:
            model = _whole_model(where, dtype=getattr(torch, dtype))
    if device:
        model.to(device)  # pyright: ignore[reportArgumentType]
    return model.eval()


def _whole_model(where: str, **options: Any) -> PreTrainedModel:
    from transformers import AutoModelForCausalLM

    return read_whole(
        AutoModelForCausalLM,
        where,
        expected="every weight of a causal language model, by the names that transformers saves",
        fix="copy or convert the model again, whole; one that was trained as a classifier or reward model "
        "has no language-model head",
        **options,
    )


def _in_four_bits(where: str, dtype: str) -> PreTrainedModel:
    import importlib.util
    import os

    import torch
    from transformers import BitsAndBytesConfig

    if importlib.util.find_spec("bitsandbytes") is None:
        raise MissingExtraError("bitsandbytes", "qlora", "lora.base=4bit")
    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=getattr(torch, dtype),
    )
    place = int(os.environ.get("LOCAL_RANK", "0")) if torch.cuda.is_available() else "cpu"
    model = _whole_model(
        where, dtype=getattr(torch, dtype), quantization_config=config, device_map={"": place}
    )
    for module in model.modules():
        # on some CPUs an evaluation pass would repack the weights for a product that has no gradient
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False  # pyright: ignore[reportArgumentType]
    return model


def _without_weights(where: str, dtype: str) -> PreTrainedModel:
    """The architecture with parameters of untouched memory; buffers that no checkpoint holds are right."""
    import torch
    from accelerate import init_empty_weights
    from transformers import AutoModelForCausalLM, GenerationConfig

    with init_empty_weights(include_buffers=False):
        config = load_config(where)
        model = AutoModelForCausalLM.from_config(config, dtype=getattr(torch, dtype))
    made: dict[int, torch.nn.Parameter] = {}  # by what they replace, so that tied weights stay tied
    for module in model.modules():
        for name, parameter in module._parameters.items():
            if parameter is not None:
                empty = torch.nn.Parameter(torch.empty_like(parameter, device="cpu"))
                module._parameters[name] = made.setdefault(id(parameter), empty)
    model.tie_weights()
    with suppress(OSError):  # the model may have none of its own
        model.generation_config = GenerationConfig.from_pretrained(where)
    return model


def _base_of(where: str) -> str:
    """The folder or hub id of the model that an adapter was trained on."""
    from peft import PeftConfig

    base = PeftConfig.from_pretrained(where).base_model_name_or_path
    if base is None:
        raise InputError(
            "the adapter names no base model",
            file=where,
            field="base_model_name_or_path",
            fix="write the base's folder or hub id into adapter_config.json",
        )
    return base


def _load_adapter(where: str, dtype: str) -> PreTrainedModel:
    import warnings

    from peft import PeftConfig, PeftModel

    if PeftConfig.from_pretrained(where).is_prompt_learning:
        raise InputError(
            "the adapter adds virtual tokens, which cannot be merged into its base",
            file=where,
            field="peft_type",
            expected="one that changes weights, such as LORA",
            fix="give the base model, or train a LoRA adapter",
        )
    try:
        base = load_model(_base_of(where), dtype=dtype)
    except InputError as error:
        if error.file == where:
            raise
        raise InputError(
            f"the adapter's base cannot be loaded: {error}", file=where, field="base_model_name_or_path"
        ) from error
    with warnings.catch_warnings():
        # PEFT leaves a matrix that the file lacks as it begins, which undoes that layer's training
        warnings.filterwarnings("error", message="Found missing adapter keys")
        wrapped = PeftModel.from_pretrained(base, where)
    merged = wrapped.merge_and_unload()  # pyright: ignore[reportCallIssue]
    return merged.requires_grad_(True)  # pyright: ignore[reportReturnType]  # PEFT had frozen the base
