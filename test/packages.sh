# Installs what a command at the root of the tree needs; to be sourced. Root on Debian gets what is missing; anybody
# else is told its names.

# Each need: how to see that it is there, and the Debian package that brings it.
needs_to_build="
command:cc gcc
file:/usr/include/stdio.h libc6-dev
command:make make
command:cmake cmake
command:pkg-config pkg-config
module:uuid uuid-dev
module:libcurl libcurl4-openssl-dev
module:libnghttp2 libnghttp2-dev
module:openssl libssl-dev
module:zlib zlib1g-dev
module:libzstd libzstd-dev
module:sqlite3 libsqlite3-dev
module:libisal libisal-dev
module:libevent_extra libevent-dev
"
needs_to_test="
command:g++ g++
module:criterion libcriterion-dev
module:libprotobuf-c libprotobuf-c-dev
command:protoc-c protobuf-c-compiler
command:openssl openssl
"
needs_of_peers="
command:curl curl
python:venv python3-venv
"

say() { printf '%s\n' "$*"; }

is_there() {
    local kind=${1%%:*} name=${1#*:}
    case $kind in
        command) command -v "$name" >/dev/null ;;
        file) [ -e "$name" ] ;;
        module) command -v pkg-config >/dev/null && pkg-config --exists "$name" ;;
        python) command -v python3 >/dev/null && python3 -c "import $name, ensurepip" 2>/dev/null ;;
    esac
}

# missing_packages NEEDS: the packages of the needs that are not met
missing_packages() {
    local need package
    printf '%s\n' "$1" | while read -r need package; do
        [ -z "$need" ] || is_there "$need" || printf '%s\n' "$package"
    done | sort -u | tr '\n' ' '
}

# install_packages NEEDS LOG: installs them, or names them and ends the command.
install_packages() {
    local missing log=$2
    missing=$(missing_packages "$1")
    [ -n "$missing" ] || return 0
    if [ "$(id -u)" != 0 ] || [ ! -e /etc/debian_version ] || ! command -v apt-get >/dev/null; then
        say "Missing: ${missing% }" >&2
        if [ -e /etc/debian_version ]; then
            say "Install these packages (as root: apt-get install ${missing% }) and try again." >&2
        else
            say "These are the names of Debian's packages; install what brings the same here and try again." >&2
        fi
        exit 1
    fi
    mkdir -p "$(dirname "$log")"
    say "Installing ${missing% } (this takes a minute or two)"
    # shellcheck disable=SC2086
    if ! { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing; } \
        >"$log" 2>&1 </dev/null; then
        tail -n 20 "$log" >&2
        say "apt-get failed; all it said is in $log" >&2
        exit 1
    fi
    missing=$(missing_packages "$1")
    if [ -n "$missing" ]; then
        say "Installed, and still not found: ${missing% }" >&2
        exit 1
    fi
}

# build PRESET LOG TARGET OPTION...: configures with the preset and builds; shows what went wrong.
build() {
    local preset=$1 log=$2 target=$3
    shift 3
    mkdir -p "$(dirname "$log")"
    if ! { cmake --preset "$preset" "$@" && cmake --build "build/$preset" --target "$target" -j "$(nproc)"; } \
        >"$log" 2>&1 </dev/null; then
        grep -E -A 5 '([Ee]rror|undefined reference|\*\*\*)' "$log" | head -n 60 >&2
        say "The build failed; all it said is in $log" >&2
        return 1
    fi
}
