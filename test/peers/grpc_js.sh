# A strict server of @grpc/grpc-js, an implementation of gRPC that shares nothing with ours; to be sourced by run.sh.

# Installs what package-lock.json pins into a folder that it names.
install_grpc_js() {
    local folder=$cache/node-$(sha256sum test/peers/package-lock.json | cut -c 1-16)
    if [ ! -d "$folder/node_modules/@grpc/grpc-js" ]; then
        rm -rf "$folder" "$folder.new"
        mkdir -p "$folder.new" && cp test/peers/package.json test/peers/package-lock.json "$folder.new" &&
            (cd "$folder.new" && timeout 300 npm ci --ignore-scripts --no-audit --no-fund) >&2 &&
            mv "$folder.new" "$folder" || return 1
    fi
    grpc_js_modules=$folder/node_modules
}

grpc_js() {
    local tool
    for tool in node npm; do
        if ! command -v "$tool" >/dev/null; then
            skip "a server of @grpc/grpc-js agrees with what is said over gRPC" "there is no $tool"
            return
        fi
    done
    if ! install_grpc_js; then
        not_ok "the package @grpc/grpc-js is installed"
        return
    fi
    NODE_PATH=$grpc_js_modules relay timeout 150 node test/peers/grpc_calls.js "$build/test/peers/send"
}
