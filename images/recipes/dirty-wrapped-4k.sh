about="dirty log that runs over its end and goes on at its beginning"
size=16m
options="-b size=4096 -m rmapbt=1,reflink=1,bigtime=1"

fill() {
    mkdir d
    for i in $(seq 1 60); do : > d/$i; done
}

crash() {
    round=0
    while :; do
        round=$((round + 1))
        touch -d "2020-01-01 00:00:$(printf %02d $((round % 60)))Z" d/*
        echo $round > d/round
        mv d/round d/round-$((round % 7))
        settle
        if [ $((round % 8)) -ne 0 ]; then continue; fi
        cp --sparse=always "$image" "$work/snapshot"
        # shellcheck disable=SC2046
        set -- $(log_ends "$work/snapshot")
        # Stop a little behind the wrap, with the tail still before it.
        if [ "$1" -lt "$2" ] && [ "$1" -gt 100 ]; then break; fi
        if [ $round -gt 4000 ]; then echo "the log did not wrap: $*" >&2; break; fi
    done
    rm "$work/snapshot"
}

check() {
    # shellcheck disable=SC2046
    set -- $(log_ends "$1")
    [ "$1" -lt "$2" ] || { echo "head $1, tail $2: no wrap" >&2; return 1; }
}
