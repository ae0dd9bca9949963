"""Keys of transformers' TrainingArguments that a recipe cannot have, and why."""

from __future__ import annotations

MANAGED = {
    "output_dir": "output",
    "per_device_train_batch_size": "training.tokens_per_batch",
    "gradient_accumulation_steps": "training.pairs_per_step",
}
UNEVALUATED = "a run has no pairs to evaluate on"
LOADED = "pairs are tokenised before training, and nothing is left to load"
UPLOAD = "a run folder holds ids and margins of the pairs; upload what gammapo export writes"
# what these would do is done otherwise here, or would make a resumed run another one
REFUSED = {
    **dict.fromkeys(
        "do_eval do_predict eval_steps eval_delay eval_on_start per_device_eval_batch_size "
        "prediction_loss_only eval_do_concat_batches eval_use_gather_object eval_accumulation_steps "
        "include_for_metrics batch_eval_metrics bf16_full_eval fp16_full_eval load_best_model_at_end "
        "metric_for_best_model greater_is_better".split(),
        UNEVALUATED,
    ),
    **dict.fromkeys(
        "dataloader_num_workers dataloader_pin_memory dataloader_persistent_workers "
        "dataloader_prefetch_factor dataloader_multiprocessing_context dataloader_in_order label_names "
        "length_column_name".split(),
        LOADED,
    ),
    **dict.fromkeys(
        "push_to_hub hub_token hub_private_repo hub_model_id hub_strategy hub_always_push "
        "hub_revision".split(),
        UPLOAD,
    ),
    **dict.fromkeys(
        "torch_compile torch_compile_backend torch_compile_mode".split(),
        "PyTorch's compiler fails on attention over shared prompts, whose lengths change with every step",
    ),
    "remove_unused_columns": "an item is a whole optimiser step, and has no columns",
    "resume_from_checkpoint": "a run goes on from its newest whole checkpoint by itself",
    "auto_find_batch_size": "training.tokens_per_batch sets what is read at once",
    "include_num_input_tokens_seen": "tokens_per_second in metrics.jsonl counts the tokens",
    "average_tokens_across_devices": "the loss is the mean over the step's pairs, of all processes",
    "fp16": "float16 over float32 weights needs a scaled loss, which is not done here; a GPU with bfloat16 "
    "computes in that, one without (V100, T4) in float32, or in float16 under adapters (model.dtype)",
    "save_only_model": "a checkpoint without the optimiser cannot be gone on from",
    "ignore_data_skip": "a resumed run would meet some pairs twice and others never",
    "label_smoothing_factor": "the loss is a preference loss; cDPO and rDPO smooth labels (loss.name)",
    "dataloader_drop_last": "every pair is trained on; what several ranks cannot share evenly is said",
    "data_seed": "the order of the pairs comes from training.seed",
    "train_sampling_strategy": "the order of the pairs comes from training.seed",
    "torch_empty_cache_steps": "memory is not given back between steps here",
}

IN_BACKWARD = "it updates weights within each backward pass, and a step here has several"
# optimisers, by a part of their names
UNFIT = {
    "lomo": IN_BACKWARD,
    "layerwise": IN_BACKWARD,
    "schedule_free": "it trains other weights than it is to save, and is not told here when to change them",
}
