# TAP for the tests that are shell scripts; to be sourced. Text for people goes to stderr.

tap_number=0
tap_failed=0

ok() {
    tap_number=$((tap_number + 1))
    printf 'ok %d - %s\n' "$tap_number" "$*"
}

not_ok() {
    tap_number=$((tap_number + 1))
    tap_failed=1
    printf 'not ok %d - %s\n' "$tap_number" "$*"
}

# skip NAME REASON
skip() {
    tap_number=$((tap_number + 1))
    printf 'ok %d - %s # SKIP %s\n' "$tap_number" "$1" "$2"
}

# check NAME COMMAND...: the command's exit status is the result.
check() {
    local name=$1
    shift
    if "$@" >&2; then ok "$name"; else not_ok "$name"; fi
}

# same NAME EXPECTED GOT
same() {
    if [ "$2" = "$3" ]; then
        ok "$1"
    else
        not_ok "$1"
        printf '%s\nexpected: %s\ngot:      %s\n' "$1" "$2" "$3" >&2
    fi
}

# The plan and the exit status.
tap_done() {
    printf '1..%d\n' "$tap_number"
    exit "$tap_failed"
}
