about="version 4: no checksums, inodes of 256 bytes, no file types in directories; one of every kind of file, attributes in every form, directories of several blocks"
size=32m
options="-b size=1024 -l size=8m -m crc=0 -n ftype=0 -i size=256"
block=1024
uml=yes

fill() {
    . "$here/recipes/basics.inc"
    everything
    mkdir attributes directories
    cd attributes
    . "$here/recipes/attributes.inc"
    attributes
    cd ../directories
    . "$here/recipes/directories.inc"
    mkdir sources
    for i in 0 1 2 3; do : > sources/$i; done
    links block 20
    links leaf 140
    cd ..
    # More pieces than fit the inode: a bmbt, with nodes above its leaves.
    io pieces 'pwrite -q -S 0x70 0 1m'
    seq 1 2 1023 | while read -r i; do echo "fpunch $((i * 1024)) 1024"; done | xfs_io pieces >/dev/null
    settle
    fixed_times
}
