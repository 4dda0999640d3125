about="clones, dedupe, copy-on-write in parts; rmapbt and reflink"
size=32m
options="-b size=4096 -m rmapbt=1,reflink=1,bigtime=1"
block=4096

fill() {
    . "$here/recipes/shared.inc"
    sharing
}
