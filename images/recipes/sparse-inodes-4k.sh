about="inode chunks with holes, made when no 32 KiB of free space were left in a row; nearly full"
size=16m
options="-b size=4096 -m rmapbt=1,reflink=1,bigtime=1"

fill() {
    mkdir d fill
    # Everything that may be had, then holes of seven blocks: room for an aligned half of a chunk, never for a whole one.
    i=0
    for piece in 4096 512 64 16; do
        while xfs_io -f -c "falloc 0 ${piece}k" fill/$((i += 1)) 2>/dev/null; do :; done
        rm -f fill/$i
    done
    for f in fill/*; do
        blocks=$(($(stat -c %s $f) / 4096))
        seq 8 8 $((blocks - 8)) | while read -r b; do echo "fpunch $((b * 4))k 28k"; done | xfs_io $f >/dev/null
    done
    # What the file system kept in reserve is still in one piece: take that, the holes pay for it.
    i=0
    while [ $((i += 1)) -lt 200 ]; do
        xfs_io -f -c 'falloc 0 32k' fill/rest-$i
        if [ "$(xfs_io -r -c fiemap fill/rest-$i | grep -c ':')" -gt 2 ]; then rm fill/rest-$i; break; fi
    done
    for i in $(seq 1 300); do : > d/$i; done
    for i in $(seq 2 5 300); do rm d/$i; done
    settle
    fixed_times
}

check() {
    sparse=$(xfs_db -r -c 'agi 0' -c 'addr root' -c p "$1" | grep -c '\[[0-9]*,0xff00,32,\|\[[0-9]*,0xff,32,' || true)
    [ "$sparse" -ge 2 ] || { echo "only $sparse sparse chunks" >&2; return 1; }
}
