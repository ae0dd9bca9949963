#!/usr/bin/env bash
# Judge a submission against AlpacaEval 2's reference, and head to head against SimPO; then win rates.
# Paid replies are recorded: a run that was cut pays only for what is missing.
set -euo pipefail

usage() {
    cat <<'END'
scripts/evaluate.sh [options] [-- OPTIONS OF gammapo judge]
  --workspace DIR        root of the task's files ($WORKSPACE, else /workspace)
  --name NAME            of the submission (default qwen-2.5-7b-it-gammapo)
  --reference FILE       default DIR/data/datasets/alpaca_eval/alpaca_eval_gpt4_baseline.json
  --simpo FILE           SimPO's answers (default DIR/data/outputs/qwen-2.5-7b-it-simpo/model_outputs.json;
                         without such a file there is no head to head)
  --judge SPEC           default openai:gpt-4-1106-preview, the model of AlpacaEval 2's judge, asked in gammapo's
                         words, or in the leaderboard's with -- --question FILE --letters m,M (docs/judging.md);
                         any spec of gammapo judge will do, but rates of different judges, or of one asked
                         otherwise, do not compare
Writes annotations.json, annotations_simpo.json and results*.json into the outputs folder.
END
}

workspace=() name=qwen-2.5-7b-it-gammapo reference= simpo= judge=openai:gpt-4-1106-preview more=()
while (($#)); do
    case $1 in
        --workspace) workspace=(--workspace "$2"); shift ;;
        --name) name=$2; shift ;;
        --reference) reference=$2; shift ;;
        --simpo) simpo=$2; shift ;;
        --judge) judge=$2; shift ;;
        -h | --help) usage; exit 0 ;;
        --) shift; more=("$@"); break ;;
        *) echo "evaluate.sh: unknown option $1" >&2; usage >&2; exit 2 ;;
    esac
    shift
done
place=("${workspace[@]+"${workspace[@]}"}" --name "$name")
outputs=$(gammapo workspace path outputs "${place[@]}")
pairs=$(gammapo workspace path dataset "${place[@]}")
reference=${reference:-$(dirname "$pairs")/alpaca_eval/alpaca_eval_gpt4_baseline.json}
simpo=${simpo:-$(dirname "$outputs")/qwen-2.5-7b-it-simpo/model_outputs.json}

for file in "$outputs/model_outputs.json" "$reference"; do
    [[ -f $file ]] || { echo "evaluate.sh: $file: no such file (infer.sh writes the answers)" >&2; exit 2; }
done

compare() { # REFERENCE SUFFIX
    local annotations=$outputs/annotations$2.json asked="$judge $1 ${more[*]-}"
    # judgements of older answers, by another judge or against another reference are made anew; replies that
    # were paid for are on record and not paid again
    if [[ ! -f $annotations || $outputs/model_outputs.json -nt $annotations || $1 -nt $annotations ||
        $(cat "$annotations.asked" 2>/dev/null || true) != "$asked" ]]; then
        gammapo judge "$outputs/model_outputs.json" --against "$1" --judge "$judge" -o "$annotations" --overwrite \
            "${more[@]+"${more[@]}"}" >&2
        printf '%s' "$asked" >"$annotations.asked"
    fi
    gammapo winrate "$annotations" --format json >"$outputs/results$2.json"
    gammapo winrate "$annotations" --bootstrap 0
}

echo "against the reference:"
compare "$reference" ""
if [[ -f $simpo && $simpo != "$outputs/model_outputs.json" ]]; then
    echo "head to head against SimPO (50 is a draw):"
    compare "$simpo" _simpo
fi
