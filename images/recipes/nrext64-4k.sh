about="the same files with 64-bit extent counters, 4 KiB sectors and 1 KiB inodes; rmapbt, no reflink"
size=64m
options="-b size=4096 -s size=4096 -i size=1024,nrext64=1 -m rmapbt=1,reflink=0 -d agcount=2"
block=4096

fill() {
    . "$here/recipes/basics.inc"
    everything
}
