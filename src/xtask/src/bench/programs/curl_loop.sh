# BITS by hand: curl once a packet, Fragments of 10 MiB.
# usage: sh curl_loop.sh FILE URL
set -e
file=$1 url=$2 step=10485760
packet() {
    type=$1
    shift
    curl -q -sS --fail -X BITS_POST -H "BITS-Packet-Type: $type" -H 'Expect:' "$@" "$url"
}
size=$(stat -c %s "$file")
session=$(packet Create-Session -H 'Content-Length: 0' -o /dev/null -D - \
    -H 'BITS-Supported-Protocols: {7df0354d-249b-430f-820d-3d2a9bef4931}' |
    tr -d '\r' | sed -n 's/^BITS-Session-Id: //p')
at=0
while [ "$at" -lt "$size" ]; do
    end=$((at + step))
    [ "$end" -le "$size" ] || end=$size
    dd if="$file" bs=1M skip="$at" count=$((end - at)) iflag=skip_bytes,count_bytes status=none |
        packet Fragment -H "BITS-Session-Id: $session" --data-binary @- \
            -H "Content-Range: bytes $at-$((end - 1))/$size"
    at=$end
done
packet Close-Session -H "BITS-Session-Id: $session" -H 'Content-Length: 0'
