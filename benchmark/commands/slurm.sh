# --- the same for every profile from here on ---

steps=() # process ids of the steps that hold Ray on the nodes
driver=
set -m # or bash starts what runs in the background deaf to the signal that ends it cleanly

finish() {
  local status=$?
  trap - EXIT
  trap '' INT TERM
  set +e
  if [[ -n "$driver" ]]; then
    kill -INT "$driver" 2>/dev/null && wait "$driver" # as Ctrl-C: cells that are done are kept
  fi
  if [[ "${#steps[@]}" -gt 0 ]]; then
    kill -TERM "${steps[@]}" 2>/dev/null # srun passes it on, and `ray start --block` ends what it started
    wait "${steps[@]}" 2>/dev/null
  fi
  if [[ "$status" = 0 ]]; then
    srun --nodes="$SLURM_JOB_NUM_NODES" --ntasks="$SLURM_JOB_NUM_NODES" --ntasks-per-node=1 rm -rf -- "$scratch"
  else
    echo "ended with status $status; logs: $logs, and $scratch on each node. Submit it again: what is done is not done again." >&2
  fi
  exit "$status"
}
trap finish EXIT
trap 'exit 143' TERM
trap 'exit 130' INT

fail() {
  echo "kfbench slurm: $1" >&2
  exit 1
}

cd -- "$profile"
scratch=/tmp/kfbench-${SLURM_JOB_ID:?submit this file with sbatch} # short: the path of a socket has at most 107 characters
logs=$PWD/.kfbench/slurm/$SLURM_JOB_ID
mkdir -p -- "$logs"
for program in ray kfbench; do
  command -v "$program" >/dev/null || fail "$program is not on PATH: give the line that activates its environment as --setup"
done

mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
[[ "${#nodes[@]}" -gt 0 ]] || fail "no nodes in this allocation: submit this file with sbatch"
ip=${KFBENCH_RAY_NODE_IP:-$(hostname --ip-address | tr ' ' '\n' | grep -m 1 -F . || true)} # this script runs on the first node
[[ -n "$ip" ]] || fail "this node has no IPv4 address by its name: export KFBENCH_RAY_NODE_IP before sbatch"
if [[ $ip = 127.* && -z ${KFBENCH_RAY_NODE_IP:-} && ${#nodes[@]} -gt 1 ]]; then
  fail "this node takes its own name for $ip, where no other node reaches it: export KFBENCH_RAY_NODE_IP before sbatch"
fi
address=$ip:$((20000 + SLURM_JOB_ID % 10000)) # jobs that share a node have ports of their own, above 10002 to 19999, which Ray keeps for workers

# Whoever reaches an open Ray can run code as you: this one wants a token, which only your processes know.
RAY_AUTH_TOKEN=$(python -c 'import secrets; print(secrets.token_hex(32))')
export RAY_AUTH_TOKEN RAY_AUTH_MODE=token RAY_USAGE_STATS_ENABLED=0

on_node() { # NODE LOG COMMAND...: a step on one node, in the background
  local node=$1 log=$2
  shift 2
  srun --nodes=1 --ntasks=1 --nodelist="$node" --cpus-per-task="$cpus" "$@" >"$log" 2>&1 &
  steps+=("$!")
}

# Ports of workers as the system gives them: from Ray's own range two jobs on one node would take the same.
has=(--num-cpus="$cpus" --num-gpus="$gpus" --temp-dir="$scratch" --min-worker-port=0 --max-worker-port=0 --block)

on_node "${nodes[0]}" "$logs/head.log" \
  ray start --head --node-ip-address="$ip" --port="${address##*:}" --include-dashboard=false "${has[@]}"
for ((tries = 0; ; tries++)); do
  ray health-check --address "$address" >/dev/null 2>&1 && break
  kill -0 "${steps[0]}" 2>/dev/null || fail "Ray's head ended: $(tail -n 5 -- "$logs/head.log")"
  [[ "$tries" -lt 120 ]] || fail "Ray's head does not answer at $address: see $logs/head.log"
  sleep 1
done
for ((k = 1; k < ${#nodes[@]}; k++)); do
  on_node "${nodes[k]}" "$logs/worker-$k.log" ray start --address="$address" "${has[@]}"
done
export KFBENCH_ENGINE=ray KFBENCH_RAY_ADDRESS=$address KFBENCH_RAY_NODE_IP=$ip
python - "${#nodes[@]}" <<'END' || fail "Ray cannot be used: see above, and $logs"
import sys, time
from benchmark.cluster.session import session
from benchmark.local import local

with session(local()) as found:
    for _ in range(120):  # copies of a language model are as many as there are GPUs when it starts
        there = sum(node["Alive"] for node in found.ray.nodes())
        if there >= int(sys.argv[1]):
            break
        time.sleep(1)
    print(f"Ray at {local().address}: {there} of {sys.argv[1]} nodes")
END

for line in "${commands[@]}"; do
  echo "$line"
  read -ra words <<<"$line"
  "${words[@]}" &
  driver=$!
  status=0
  wait "$driver" || status=$?
  driver=
  [[ "$status" = 0 ]] || exit "$status"
done
echo "The store has the cells. On a machine with this directory, \`dvc repro -k\` now only records them."
