about="clones as in shared-4k and hundreds of small shared pieces: refcountbt of several levels; reflink, no rmapbt"
size=24m
options="-b size=1024 -m rmapbt=0,reflink=1,bigtime=1"
block=1024

fill() {
    . "$here/recipes/shared.inc"
    sharing
    # Every third block has two owners, every fifth three.
    io checkered 'pwrite -q -S 0x6b 0 900k'
    settle
    io checkered-2 'truncate 900k'
    seq 0 3 899 | sed 's/.*/reflink checkered &k &k 1k/' | xfs_io checkered-2 >/dev/null
    io checkered-3 'truncate 900k'
    seq 0 5 899 | sed 's/.*/reflink checkered &k &k 1k/' | xfs_io checkered-3 >/dev/null
    settle
    fixed_times
}

check() {
    [ "$(xfs_db -r -c 'agf 0' -c 'p refcntlevel' "$1" | awk '{ print $3 }')" -ge 2 ] || { echo "refcountbt too small" >&2; return 1; }
}
