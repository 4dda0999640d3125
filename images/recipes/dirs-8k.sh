about="directories in every form with directory blocks of 8 KiB on file system blocks of 4 KiB"
size=16m
options="-b size=4096 -n size=8192 -m rmapbt=1,reflink=1,bigtime=1"

fill() {
    . "$here/recipes/directories.inc"
    directories 100 600 1600 750
}

check() {
    . "$here/recipes/directories.inc"
    check_directories "$1"
}
