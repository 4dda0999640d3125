about="fragmented files on 4 KiB blocks without rmapbt and reflink: bmbt of one level, multi-block free-space trees"
size=32m
options="-b size=4096 -l size=8m -d agcount=1 -m rmapbt=0,reflink=0,bigtime=1"

fill() {
    io pieces 'pwrite -q -S 0x70 -b 1m 0 12m'
    settle
    seq 4 8 12284 | sed 's/.*/fpunch &k 4k/' | xfs_io pieces >/dev/null
    io striped 'falloc 0 1m'
    seq 0 8 1020 | sed 's/.*/pwrite -q -S 0x75 &k 4k/' | xfs_io striped >/dev/null
    settle
    fixed_times
}

check() {
    for expected in pieces:1 striped:1; do
        level=$(xfs_db -r -c "path /${expected%:*}" -c 'p u3.bmbt.level' "$1" | awk '{ print $3 }')
        [ "$level" = "${expected#*:}" ] || { echo "${expected%:*}: root level $level" >&2; return 1; }
    done
    [ "$(xfs_db -r -c 'agf 0' -c 'p bnolevel' "$1" | awk '{ print $3 }')" -ge 2 ] || { echo "bnobt too small" >&2; return 1; }
}
