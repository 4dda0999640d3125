about="extended attributes inline, in a leaf, in nodes and in blocks of their own; rmapbt and reflink"
size=16m
options="-b size=4096 -m rmapbt=1,reflink=1,bigtime=1"
block=4096

fill() {
    . "$here/recipes/attributes.inc"
    attributes
}
