about="files in thousands of pieces: bmbt with two levels below the root, deep rmapbt and free-space trees"
size=24m
options="-b size=1024 -m rmapbt=1,reflink=1,bigtime=1"

fill() {
    # Every second block of a file freed: neither file nor free space has two blocks in a row.
    io pieces 'pwrite -q -S 0x70 -b 1m 0 3m'
    settle
    seq 1 2 3071 | sed 's/.*/fpunch &k 1k/' | xfs_io pieces >/dev/null
    # A file made of what is left when everything else is full: it gets the pieces.
    mkdir folder
    io contiguous 'pwrite -q -S 0x71 0 200k'
    settle
    io rest 'falloc 0 100k' 'pwrite -q -S 0x72 0 10k'
    # Between 12 extents, the most this inode holds beside its attribute fork, and a btree there is one step.
    io twelve 'pwrite -q -S 0x73 0 24k'
    seq 1 2 23 | sed 's/.*/fpunch &k 1k/' | xfs_io twelve >/dev/null
    io thirteen 'pwrite -q -S 0x73 0 25k'
    seq 1 2 23 | sed 's/.*/fpunch &k 1k/' | xfs_io thirteen >/dev/null
    io hundred 'pwrite -q -S 0x74 0 200k'
    seq 1 2 199 | sed 's/.*/fpunch &k 1k/' | xfs_io hundred >/dev/null
    # Written and unwritten in turns, side by side on the disk.
    io striped 'falloc 0 400k'
    seq 0 2 399 | sed 's/.*/pwrite -q -S 0x75 &k 1k/' | xfs_io striped >/dev/null
    settle
    fixed_times
}

check() {
    for expected in pieces:2 hundred:1 striped:1; do
        level=$(xfs_db -r -c "path /${expected%:*}" -c 'p u3.bmbt.level' "$1" | awk '{ print $3 }')
        [ "$level" = "${expected#*:}" ] || { echo "${expected%:*}: root level $level" >&2; return 1; }
    done
    for expected in twelve:2 thirteen:3; do
        format=$(xfs_db -r -c "path /${expected%:*}" -c 'p core.format' "$1" | awk '{ print $3 }')
        [ "$format" = "${expected#*:}" ] || { echo "${expected%:*}: format $format" >&2; return 1; }
    done
}
