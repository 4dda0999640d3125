about="directories in every form, blocks of 4 KiB on file system blocks of 1 KiB, also with holes and stale entries; reflink, no rmapbt"
size=16m
options="-b size=1024 -l size=8m -m rmapbt=0,reflink=1,bigtime=1"

fill() {
    . "$here/recipes/directories.inc"
    directories 60 300 800 400
}

check() {
    . "$here/recipes/directories.inc"
    check_directories "$1"
}
