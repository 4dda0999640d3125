about="one of every kind of file; rmapbt and reflink"
size=32m
options="-b size=1024 -m rmapbt=1,reflink=1,bigtime=1,inobtcount=1"
block=1024

fill() {
    . "$here/recipes/basics.inc"
    everything
    : > modes/cow-extent-size; xfs_io -c 'cowextsize 128k' modes/cow-extent-size
    touch -d '2486-07-02 20:20:24.999999999Z' times/2486
    touch -d '2024-02-29 12:34:56.789012345Z' modes/cow-extent-size modes times
}
