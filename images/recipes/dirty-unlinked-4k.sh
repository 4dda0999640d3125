about="files unlinked while open: AGI unlinked lists with several inodes, for the recovery to empty"
size=32m
options="-b size=4096 -m rmapbt=1,reflink=1,bigtime=1"

fill() {
    mkdir d
    for i in $(seq 1 150); do text 1000 $i > d/$i; done
    cp --reflink=always d/7 shared-with-a-lost-one
    io d/large 'pwrite -q -S 0x61 0 400k'
}

crash() {
    hold tail -f d/*
    sleep 0.5
    find d -type f ! -name '*5' ! -name '*6' -delete
    settle
    # So far the lists stand in the AGI itself; what follows is in the log only.
    write_home
    find d -type f -name '*6' -delete
    settle
}

check() {
    # The 64 buckets, as `index:inode` or ranges of nulls.
    used=$(xfs_db -r -c 'agi 0' -c 'p unlinked' "$1" | grep -o -E '[0-9]+:[0-9]+' | wc -l)
    [ "$used" -ge 40 ] || { echo "only $used buckets in use" >&2; return 1; }
}
