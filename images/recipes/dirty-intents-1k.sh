about="dirty log that ends in the middle of long operations: intents without their done items"
size=24m
options="-b size=1024 -m rmapbt=1,reflink=1,bigtime=1"

fill() {
    # Three clones of a file in 1,500 pieces, so that every step changes refcounts, rmaps and mappings.
    io a 'pwrite -q -S 0x61 -b 1m 0 3m'
    settle
    seq 1 2 3071 | sed 's/.*/fpunch &k 1k/' | xfs_io a >/dev/null
    cp --reflink=always a b
    cp --reflink=always a c
    io d 'pwrite -q -S 0x64 -b 1m 0 3m'
    settle
    seq 0 2 3071 | sed 's/.*/fpunch &k 1k/' | xfs_io d >/dev/null
    text 3000 bystander > bystander
}

crash() {
    # Four long operations at once; the plug is pulled while they run.
    hold rm b
    hold truncate -s 1000 c
    hold rm d
    hold xfs_io -c 'pwrite -q -S 0x63 -b 3m 0 3m' -c fsync a
    # Somewhere within the next tenth of a second.
    sleep "0.0$(date +%N | cut -c 7)"
}

check() {
    open=$(unfinished "$1")
    # shellcheck disable=SC2086
    [ "$(printf '%s\n' $open | wc -w)" -ge 3 ] || { echo "too few kinds of unfinished intents: $open" >&2; return 1; }
}
