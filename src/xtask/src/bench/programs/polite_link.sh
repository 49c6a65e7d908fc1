#!/usr/bin/env bash
# Makes a network namespace of clients and a link with a queue from it to this one, and runs a program that finds the
# namespace by the process BITSUP_CLIENTS.
#
# usage: unshare --map-root-user --user --net polite_link.sh SINK PROGRAM ARGUMENTS…
set -euo pipefail
sink=$1
shift
# Its input ends with this process, also when that is killed.
coproc CLIENTS { exec unshare --net cat; }
export BITSUP_CLIENTS=$CLIENTS_PID
while [ "/proc/$CLIENTS_PID/ns/net" -ef /proc/self/ns/net ]; do sleep 0.01; done
clients() { nsenter --net --target "$BITSUP_CLIENTS" -- "$@"; }

ip link add sink0 type veth peer name client0 netns "$BITSUP_CLIENTS"
ip address add "$sink/30" dev sink0
ip link set sink0 up
clients ip address add 10.77.0.1/30 dev client0
clients ip link set client0 up
clients tc qdisc add dev client0 root tbf rate 40mbit burst 16kb latency 100ms
# Others fill queues with these. The first that the system allows is taken; a namespace allows few.
congestion=/proc/sys/net/ipv4/tcp_congestion_control
for name in cubic reno; do
    ! clients sh -c "echo $name >$congestion" 2>/dev/null || break
done
echo "the others' congestion control is $(clients cat $congestion)"
"$@"
