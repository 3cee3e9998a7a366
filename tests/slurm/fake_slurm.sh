#!/bin/bash
# usage: fake_slurm.sh up|down|node FOLDER [NODE]
# A real Slurm on this machine, without systemd: a controller and two nodes, each with two GPUs that are
# none, as root. `node` starts a node that was killed again. SLURM_PORT is the controller's port, the
# nodes' are those after it. It is in their names too, since those are in the names of control groups,
# and there may be another such Slurm on this machine.
set -u
command=$1 B=$2
export SLURM_CONF=$B/etc/slurm.conf
H=$(hostname -s)
nodes=(n${SLURM_PORT}x1 n${SLURM_PORT}x2)

# The parent of a stopped daemon may be slow to reap it: a zombie has ended.
ended() { ! [ -e "/proc/$1" ] || grep -q '^State:.Z' "/proc/$1/status" 2>/dev/null; }

stop() {
  local pid
  [ -s "$1" ] || return 0
  pid=$(cat "$1")
  kill "$pid" 2>/dev/null
  for _ in $(seq 50); do ended "$pid" && return 0; sleep 0.1; done
  kill -9 "$pid"
}

wait_until_idle() {
  for _ in $(seq 600); do
    [ "$(sinfo -h -o %T 2>/dev/null | sort -u)" = idle ] && return 0
    sleep 0.1
  done
  echo "the nodes do not come up" >&2
  sinfo -N >&2
  return 1
}

configure() {
  # Where it can be had, this kills what a job leaves behind, as a real cluster does.
  local tracking=proctrack/linuxproc
  [ -w /sys/fs/cgroup/freezer ] && tracking=proctrack/cgroup
  cat > "$SLURM_CONF" <<C
ClusterName=fake
SlurmctldHost=$H(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=cred_expire=5,socket=$B/run/munge
SlurmctldPort=$SLURM_PORT
SlurmdPort=$((SLURM_PORT + 1))
StateSaveLocation=$B/state
SlurmdSpoolDir=$B/spool/%n
SlurmctldPidFile=$B/run/slurmctld.pid
SlurmdPidFile=$B/run/%n.pid
SlurmctldLogFile=$B/log/slurmctld.log
SlurmdLogFile=$B/log/%n.log
ProctrackType=$tracking
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,sched_min_interval=0,bf_interval=1,batch_sched_delay=0
ReturnToService=2
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
GresTypes=gpu
PreemptType=preempt/partition_prio
PreemptMode=CANCEL
SlurmdParameters=config_overrides
KillWait=30
SlurmctldTimeout=30
SlurmdTimeout=30
NodeName=${nodes[0]} NodeHostname=$H NodeAddr=127.0.0.1 Port=$((SLURM_PORT + 1)) CPUs=4 RealMemory=8000 Gres=gpu:2
NodeName=${nodes[1]} NodeHostname=$H NodeAddr=127.0.0.1 Port=$((SLURM_PORT + 2)) CPUs=4 RealMemory=8000 Gres=gpu:2
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=1
PartitionName=urgent Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=2 PreemptMode=OFF
C
  printf '%s\n' "NodeName=${nodes[0]},${nodes[1]} Name=gpu File=/dev/"{null,zero} > "$B/etc/gres.conf"
  # Lets slurmd start even where /sys/fs/cgroup is not mounted.
  printf 'CgroupPlugin=cgroup/v1\nCgroupAutomount=no\n' > "$B/etc/cgroup.conf"
}

case $command in
up)
  mkdir -p "$B"/{etc,state,spool,log,run}
  # Its own munge, beside that of the machine if there is one.
  head -c 1024 /dev/urandom > "$B/etc/munge.key" && chmod 600 "$B/etc/munge.key"
  munged --force --key-file="$B/etc/munge.key" --socket="$B/run/munge" --num-threads=4 \
    --pid-file="$B/run/munged.pid" --log-file="$B/log/munged.log" --seed-file="$B/run/seed" || exit 1
  configure
  slurmctld -f "$SLURM_CONF" || exit 1
  for n in "${nodes[@]}"; do slurmd -f "$SLURM_CONF" -N $n || exit 1; done
  wait_until_idle || exit 1 ;;
node)
  slurmd -f "$SLURM_CONF" -N "$3" ;;
down)
  scancel --user=root 2>/dev/null
  for _ in $(seq 100); do [ -z "$(squeue -h 2>/dev/null)" ] && break; sleep 0.1; done
  for f in "$B"/run/n*.pid "$B"/run/{slurmctld,munged}.pid; do stop "$f"; done ;;
esac
exit 0
