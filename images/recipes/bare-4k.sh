about="the same files without rmapbt, reflink, finobt, sparse inodes and bigtime"
size=16m
options="-b size=4096 -m rmapbt=0,reflink=0,finobt=0,inobtcount=0,bigtime=0 -i sparse=0"
block=4096

fill() {
    . "$here/recipes/basics.inc"
    everything
}
