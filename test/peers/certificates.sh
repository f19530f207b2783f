# Certificates for the peers; to be sourced.

# make_certificates FOLDER: two authorities, `ca` and `other-ca`; `server` for 127.0.0.1 and `client`, both by `ca`.
# Into `certificates`, files NAME.pem and NAME.key.
make_certificates() {
    local name
    certificates=$1
    mkdir -p "$certificates"
    for name in ca other-ca; do
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj "/CN=$name of a test" \
            -keyout "$certificates/$name.key" -out "$certificates/$name.pem"
    done 2>"$certificates/log"
    for name in server client; do
        openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$name" \
            -keyout "$certificates/$name.key" -out "$certificates/$name.csr"
        openssl x509 -req -days 2 -in "$certificates/$name.csr" -CA "$certificates/ca.pem" -CAkey "$certificates/ca.key" \
            -CAcreateserial -extfile <(echo "subjectAltName=IP:127.0.0.1,DNS:localhost") -out "$certificates/$name.pem"
    done 2>>"$certificates/log"
}
