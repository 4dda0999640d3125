about="version 4 with a dirty log: inodes, directories, attributes and extents that are in the log only"
size=32m
options="-b size=4096 -l size=8m -m crc=0"
block=4096
uml=yes

fill() {
    mkdir before
    for i in 1 2 3 4 5 6 7 8; do text $((i * 1000)) > before/$i; done
    settle
    fixed_times
}

crash() {
    mkdir -p made/deeper
    for i in $(seq 1 70); do : > made/file-$i; done
    text 100000 > made/large
    setfattr -n user.made -v yes made/large
    ln -s "$(text 500 y | tr ' \n' '/_')" made/link
    io made/pieces 'pwrite -q -S 0x70 0 256k'
    seq 1 2 63 | while read -r i; do echo "fpunch $((i * 4096)) 4096"; done | xfs_io made/pieces >/dev/null
    settle
    rm before/2 before/3
    mv before/4 made/moved
    chmod 600 before/5
    truncate -s 100 before/8
}
