about="directories in every form, also with holes and stale entries; rmapbt, no reflink"
size=16m
options="-b size=4096 -l size=8m -m rmapbt=1,reflink=0,bigtime=1"

fill() {
    . "$here/recipes/directories.inc"
    directories 60 300 800 400
}

check() {
    . "$here/recipes/directories.inc"
    check_directories "$1"
}
