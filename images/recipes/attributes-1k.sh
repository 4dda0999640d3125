about="extended attributes inline, in a leaf, in nodes and in blocks of their own; neither rmapbt nor reflink"
size=16m
options="-b size=1024 -m rmapbt=0,reflink=0,bigtime=1"
block=1024

fill() {
    . "$here/recipes/attributes.inc"
    attributes
}
