# Where the instructions of one Check go, for a server beside the floor: self cost by source file and
# by function, largest difference first. Reads four callgrind_annotate listings, each after an
# assignment of `of` (server or floor) and `sign` (1 for the longer run, -1 for the shorter); `per` is
# the number of calls between the two. Inlined code counts for the file that it was written in.

function add(table, key) {
    seen[table, key] = 1
    cost[table, key, of] += sign * instructions / per
}

$1 ~ /^[0-9,]+$/ && / \( *[0-9.]+%\)  / && !/PROGRAM TOTALS/ {
    instructions = $1
    gsub(/,/, "", instructions)
    where = $0
    sub(/^.*%\)  /, "", where)
    sub(/ \[[^]]*\]$/, "", where)
    if (!match(where, /^[^ ]*\.(rs|c|S|h|cc):/)) match(where, /^\?\?\?:/)
    file = substr(where, 1, RLENGTH - 1)
    name = substr(where, RLENGTH + 1)
    sub(/^.*\/registry\/src\/[^\/]*\//, "", file)
    sub(/^\/rustc\/[0-9a-f]*\//, "", file)
    sub(/'[0-9]+$/, "", name)
    add("source file", file)
    add("function", name)
}

function list(table, rows, key, parts, sorted) {
    printf "%20s %10s %10s  by %s (self cost; below 10 left out)\n", server, "floor", "more", table
    sorted = "sort -k3,3nr"
    for (key in seen) {
        split(key, parts, SUBSEP)
        if (parts[1] != table) continue
        ours = cost[table, parts[2], "server"]
        theirs = cost[table, parts[2], "floor"]
        if (ours >= 10 || theirs >= 10)
            printf "%20d %10d %10d  %s\n", ours, theirs, ours - theirs, parts[2] | sorted
    }
    close(sorted)
}

END {
    list("source file")
    print ""
    list("function")
}
