#!/usr/bin/env bash
# Train the full-size task's model: checks, idea.md, training on all GPUs, final model with its card.
# The same command goes on where a killed run stood.
set -euo pipefail

usage() {
    cat <<'END'
scripts/start.sh [options] [KEY=VALUE ...]
  --workspace DIR        root of the task's files ($WORKSPACE, else /workspace)
  --recipe NAME|FILE     gammapo (default), gamma_simpo, gammapo_dpo, simpo, dpo, or a recipe file
  --name NAME            of the submission (default qwen-2.5-7b-it-RECIPE)
  --engine ENGINE        zero3 (default), fsdp2, ddp (a whole model on each GPU), or cpu
  --gpus N               on this machine (default: all)
  --nodes N              machines (default 1); on each, run this with its own --node-rank
  --node-rank R          of this machine, from 0
  --main HOST:PORT       of the machine with rank 0 (needed for several machines)
  --lora                 adapters (recipes/lora.txt) instead of full fine-tuning
  --dry-run              say what would be trained, and what memory and time it needs
  --allow-out-of-range   accept settings outside the task's rules
KEY=VALUE changes the recipe, as in loss.beta=10.
END
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
workspace=() name= recipe=gammapo engine=zero3 gpus= nodes=1 node_rank=0 main= lora= dry_run= allow=()
overrides=()
while (($#)); do
    case $1 in
        --workspace) workspace=(--workspace "$2"); shift ;;
        --recipe) recipe=$2; shift ;;
        --name) name=$2; shift ;;
        --engine) engine=$2; shift ;;
        --gpus) gpus=$2; shift ;;
        --nodes) nodes=$2; shift ;;
        --node-rank) node_rank=$2; shift ;;
        --main) main=$2; shift ;;
        --lora) lora=1 ;;
        --dry-run) dry_run=1 ;;
        --allow-out-of-range) allow=(--allow-out-of-range) ;;
        -h | --help) usage; exit 0 ;;
        *=*) overrides+=("$1") ;;
        *) echo "start.sh: unknown option $1" >&2; usage >&2; exit 2 ;;
    esac
    shift
done

[[ -f $recipe ]] || recipe=$here/recipes/qwen2.5-7b-instruct/$recipe.yaml
[[ -f $recipe ]] || { echo "start.sh: no such recipe: $recipe" >&2; exit 2; }
case $engine in
    zero3 | fsdp2 | ddp | cpu) ;;
    *) echo "start.sh: unknown engine $engine (zero3, fsdp2, ddp or cpu)" >&2; exit 2 ;;
esac
((nodes == 1)) || [[ -n $main ]] || { echo "start.sh: several machines need --main HOST:PORT" >&2; exit 2; }
stem=$(basename "$recipe" .yaml)
name=${name:-qwen-2.5-7b-it-$stem}
if [[ -n $lora ]]; then
    read -r -a adapters <"$here/recipes/lora.txt"
    overrides=("${adapters[@]}" training.learning_rate=1e-6 "${overrides[@]+"${overrides[@]}"}")
fi
if [[ -z $gpus ]]; then
    # the GPUs that this job was given; all of the machine if nobody said
    if [[ -n ${CUDA_VISIBLE_DEVICES-} ]]; then
        gpus=$(tr , '\n' <<<"$CUDA_VISIBLE_DEVICES" | wc -l)
    else
        gpus=$({ nvidia-smi --list-gpus 2>/dev/null || true; } | wc -l)
    fi
    ((gpus > 0)) || [[ $engine == cpu ]] || { echo "start.sh: no GPU found; --engine cpu trains small models" >&2; exit 2; }
fi

place=("${workspace[@]+"${workspace[@]}"}" --name "$name")
checked=$(gammapo workspace start "$recipe" "${overrides[@]+"${overrides[@]}"}" "${place[@]}" \
    --idea "$here/docs/idea.md" "${allow[@]+"${allow[@]}"}")
if [[ -n $dry_run ]]; then
    plan_engine=$engine
    [[ $engine != cpu ]] || plan_engine=ddp
    exec gammapo train "$checked" --dry-run --gpus "$((gpus > 0 ? gpus * nodes : 1))" --engine "$plan_engine"
fi

if [[ $engine == cpu ]]; then
    CUDA_VISIBLE_DEVICES='' gammapo train "$checked"
else
    machines=()
    if ((nodes > 1)); then
        machines=(--num_machines "$nodes" --machine_rank "$node_rank"
            --main_process_ip "${main%:*}" --main_process_port "${main##*:}")
    fi
    accelerate launch --config_file "$here/recipes/accelerate/$engine.yaml" \
        --num_processes "$((gpus * nodes))" "${machines[@]+"${machines[@]}"}" \
        --no_python "$(command -v gammapo)" train "$checked"
fi
if ((node_rank == 0)); then
    run=$(gammapo workspace path run "${place[@]}")
    model=$(gammapo workspace path model "${place[@]}")
    [[ -f $model/config.json ]] || gammapo export "$run" -o "$model" --merge
    echo "model in $model"
fi
