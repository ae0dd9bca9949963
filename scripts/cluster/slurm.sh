#!/usr/bin/env bash
# The full-size task on two SLURM nodes of 8 GPUs. Not run here: adjust partition and account to your cluster.
#   sbatch scripts/cluster/slurm.sh --recipe gammapo
# A job that was killed goes on from its last checkpoint when it is submitted again.
#SBATCH --job-name=gammapo
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=64
#SBATCH --mem=0
#SBATCH --time=06:00:00
#SBATCH --output=%x-%j.log
set -euo pipefail

: "${WORKSPACE:?set WORKSPACE to a folder that all nodes share}"
main=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1):29500
# each node runs start.sh once with its own rank; accelerate starts the node's processes
srun --kill-on-bad-exit=1 bash -c 'scripts/start.sh --nodes "$SLURM_NNODES" --node-rank "$SLURM_NODEID" \
    --gpus 8 --main "$0" "$@"' "$main" "$@"
