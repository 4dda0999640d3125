about="the same story on 1 KiB blocks without rmapbt and reflink"
size=16m
options="-b size=1024 -m rmapbt=0,reflink=0,bigtime=1"

fill() {
    mkdir victims keep
    for i in $(seq 1 200); do : > victims/$i; done
    for i in $(seq 1 100); do text 500 "$i" > keep/$i; done
    : > keep/appended
    mkdir old-place new-place
    text 2000 > old-place/moved
}

crash() {
    mkdir fresh
    for i in $(seq 1 150); do echo $i > fresh/file-$i; done
    settle
    # Removing a folder of several blocks and whole inode chunks cancels their buffers in the log. The
    # kernel frees the inodes a moment later, in the background.
    rm -r victims
    sleep 0.5
    settle
    mv old-place/moved new-place/renamed
    ln keep/1 keep/hard-link
    ln -s keep/2 symlink
    chmod 600 keep/3
    chown 7:8 keep/4
    touch -d '2020-01-01 00:00:00Z' keep/5
    setfattr -n user.a -v b keep/6
    text 9000 more >> keep/appended
    truncate -s 100 keep/7
    rm keep/8
    settle
}

check() {
    items=$(log_items "$1")
    for wanted in BUF INO ICR CANCEL; do
        case $items in *$wanted*) ;; *) echo "no $wanted in the log: $items" >&2; return 1 ;; esac
    done
    [ -z "$(intent_items "$items")" ] || { echo "intents in the log: $items" >&2; return 1; }
}
