#!/bin/sh
# A cluster of three members on loopback, for trying things out: clients at 2379, 22379 and 32379,
# members among themselves at 2380, 22380 and 32380 (the ports of etcd's own example). Data and logs
# are in FOLDER and are found again by the next run. Ctrl-C ends all three.
#
#   Scripts/cluster.sh BINARY FOLDER [FLAG...]     the flags go to each member
set -eu

if [ $# -lt 2 ]; then
    echo "usage: $0 BINARY FOLDER [FLAG...]" >&2
    exit 2
fi
binary=$1
folder=$2
shift 2
mkdir -p "$folder"

initial=m1=http://127.0.0.1:2380,m2=http://127.0.0.1:22380,m3=http://127.0.0.1:32380
members=

start() {
    name=$1 client=http://127.0.0.1:$2 peer=http://127.0.0.1:$3
    shift 3
    "$binary" --name "$name" --data-dir "$folder/$name.etcd" \
        --listen-client-urls "$client" --advertise-client-urls "$client" \
        --listen-peer-urls "$peer" --initial-advertise-peer-urls "$peer" \
        --initial-cluster "$initial" --initial-cluster-token cairn-example \
        --initial-cluster-state new "$@" >>"$folder/$name.log" 2>&1 &
    members="$members $!"
    echo "$name  clients $client  process $!  log $folder/$name.log"
}

# wait returns when a signal comes; the members, told once, take their time to hand over and close.
stop() {
    trap '' INT TERM
    kill $members 2>/dev/null || true
    wait
    exit 0
}
trap stop INT TERM

start m1 2379 2380 "$@"
start m2 22379 22380 "$@"
start m3 32379 32380 "$@"
echo "etcdctl --endpoints 127.0.0.1:2379,127.0.0.1:22379,127.0.0.1:32379 endpoint status -w table"
echo "Ctrl-C ends all three."
# One that is killed does not end the others: that is what one tries here.
wait
echo "all members have ended; see $folder/*.log" >&2
exit 1
