about="CoW staging extents left over: records in the CoW domain of the refcountbt, for the recovery to sweep"
size=32m
options="-b size=4096 -m rmapbt=1,reflink=1,bigtime=1"

fill() {
    text 600000 original > original
    for i in 1 2 3; do cp --reflink=always original clone-$i; done
    : > filler
}

crash() {
    # The CoW fork reserves 32 blocks around each of these; the rest of the reservation stays staged.
    io clone-1 'pwrite -q -S 0x31 16k 4k' 'pwrite -q -S 0x32 300k 4k' fsync
    io clone-2 'pwrite -q -S 0x33 8k 12k' fsync
    # So far the records stand in the refcountbt itself; what follows is in the log only.
    settle
    write_home
    xfs_io -c 'cowextsize 256k' clone-3
    io clone-3 'pwrite -q -S 0x34 100k 1k' fsync
    settle
}

check() {
    staged=$(xfs_db -r -c 'agf 0' -c 'addr refcntroot' -c p "$1" | grep -c '[0-9]:\[[0-9]*,[0-9]*,1,1\]\|,1,1\]' || true)
    [ "$staged" -ge 1 ] || { echo "no staging record in the refcountbt" >&2; return 1; }
}
