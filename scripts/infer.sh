#!/usr/bin/env bash
# Answer AlpacaEval 2's instructions and the training set's prompts, one part a GPU, and put the parts together
# in the sets' own order. Finished parts are kept: the same command goes on where a killed one stood.
set -euo pipefail

usage() {
    cat <<'END'
scripts/infer.sh [options]
  --workspace DIR        root of the task's files ($WORKSPACE, else /workspace)
  --name NAME            of the submission (default qwen-2.5-7b-it-gammapo)
  --instructions FILE    AlpacaEval 2's set (default DIR/data/datasets/alpaca_eval/alpaca_eval_gpt4_baseline.json)
  --backend BACKEND      vllm (default) or transformers
  --gpus N               parts answered at once (default: all GPUs)
  --temperature T        default 0.5, with top_p 1, as γ-PO's authors evaluate this model
  --max-new-tokens N     default 4096, as they do
  --seed N               default 0
  --only SET             alpaca or train (default: both)
Writes model_outputs.json (AlpacaEval 2) and model_outputs_train.json (training set) into the outputs folder.
END
}

workspace=() name=qwen-2.5-7b-it-gammapo instructions= backend=vllm gpus= temperature=0.5 tokens=4096 seed=0
sets=(alpaca train)
while (($#)); do
    case $1 in
        --workspace) workspace=(--workspace "$2"); shift ;;
        --name) name=$2; shift ;;
        --instructions) instructions=$2; shift ;;
        --backend) backend=$2; shift ;;
        --gpus) gpus=$2; shift ;;
        --temperature) temperature=$2; shift ;;
        --max-new-tokens) tokens=$2; shift ;;
        --seed) seed=$2; shift ;;
        --only) sets=("$2"); shift ;;
        -h | --help) usage; exit 0 ;;
        *) echo "infer.sh: unknown option $1" >&2; usage >&2; exit 2 ;;
    esac
    shift
done
place=("${workspace[@]+"${workspace[@]}"}" --name "$name")
model=$(gammapo workspace path model "${place[@]}")
outputs=$(gammapo workspace path outputs "${place[@]}")
pairs=$(gammapo workspace path dataset "${place[@]}")
instructions=${instructions:-$(dirname "$pairs")/alpaca_eval/alpaca_eval_gpt4_baseline.json}
[[ -d $model ]] || { echo "infer.sh: no model in $model: run start.sh first, or give --name" >&2; exit 2; }
# the GPUs that this job was given; all of the machine if nobody said
IFS=, read -r -a devices <<<"${CUDA_VISIBLE_DEVICES-$({ nvidia-smi --query-gpu=index --format=csv,noheader \
    2>/dev/null || true; } | paste -sd,)}"
((${#devices[@]})) || devices=("")
gpus=${gpus:-${#devices[@]}}
[[ $gpus =~ ^[1-9][0-9]*$ ]] || { echo "infer.sh: --gpus $gpus is no number of GPUs" >&2; exit 2; }

answer() { # SET PROMPTS OUTPUT
    local key parts running=() shards=() index=0 failed=0 file
    [[ ! -f $3 ]] || { echo "$3 is there already; remove it to answer again" >&2; return; }
    [[ -e $2 ]] || { echo "infer.sh: $2: no such file or folder" >&2; exit 2; }
    # parts of another model, cut or sampling are not these
    key=$(printf '%s\n' "$gpus" "$backend" "$temperature" "$tokens" "$seed" \
        "$(stat -c '%n %Y %s' "$model"/* "$2")" | cksum | cut -d ' ' -f 1)
    parts=$outputs/.parts-$1-$key
    mapfile -t files < <(gammapo workspace split "$2" -n "$gpus" -o "$parts")
    ((${#files[@]} > 0)) || { echo "infer.sh: $2 cannot be read" >&2; exit 2; }
    for file in "${files[@]}"; do
        shards+=("$parts/outputs-$index.json")
        if [[ ! -f ${shards[index]} ]]; then
            CUDA_VISIBLE_DEVICES=${devices[index % ${#devices[@]}]} gammapo generate --model "$model" --prompts "$file" \
                --backend "$backend" --generator "$name" --temperature "$temperature" --seed "$seed" \
                --max-new-tokens "$tokens" -o "${shards[index]}" &
            running+=($!)
        fi
        index=$((index + 1))
    done
    for pid in "${running[@]+"${running[@]}"}"; do wait "$pid" || failed=1; done
    ((failed == 0)) || { echo "infer.sh: a part failed; run it again to go on" >&2; exit 1; }
    gammapo workspace merge "$2" "${shards[@]}" -o "$3" --generator "$name"
    rm -r "$outputs/.parts-$1-"*
}

for set in "${sets[@]}"; do
    case $set in
        alpaca) answer alpaca "$instructions" "$outputs/model_outputs.json" ;;
        train) answer train "$pairs" "$outputs/model_outputs_train.json" ;;
        *) echo "infer.sh: unknown set $set (alpaca or train)" >&2; exit 2 ;;
    esac
done
