/* TLS on OpenSSL. Owns the context and the session of one transport; one thread at a time.
 *
 * OpenSSL writes on sockets without MSG_NOSIGNAL, so its I/O goes through a BIO of ours. SSL_get_error()
 * looks at the thread's queue of errors, which may hold some of the host program's: what happened is read off
 * the state of the session instead, and what we added to the queue is taken away again. */
#include "collector-bridge/export/tls.h"

#include "collector-bridge/export/left_behind.h"
#include "collector-bridge/wire/answer.h"

#include <clew/diagnostics.h>
#include <clew/macros.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* As ALPN spells it. */
static const unsigned char alpn[] = "\x02h2";

CLEW_PRINTF(2, 3) static void say(struct clew__tls *tls, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(tls->reason, sizeof tls->reason, format, arguments);
    va_end(arguments);
}

/* ---- the thread's queue of errors ---- */

/* What the queue held last; compared with later, to see whether it grew. */
static unsigned long mark_errors(void) {
    ERR_set_mark();
    return ERR_peek_last_error();
}

/* What came since the mark; 0: nothing. The mark stays. */
static unsigned long new_error(unsigned long before) {
    unsigned long now = ERR_peek_last_error();
    return now == before ? 0 : now;
}

static const char *error_text(unsigned long error) {
    const char *text = error ? ERR_reason_error_string(error) : NULL;
    return text ? text : "no further reason";
}

/* OpenSSL's own words for a file that is not there or is of another kind are about its libraries. */
static const char *file_error_text(const char *path, unsigned long error) {
    if (access(path, R_OK) != 0)
        return strerror(errno);
    return ERR_GET_REASON(error) == ERR_R_PEM_LIB ? "it is not PEM of that kind, or has a passphrase"
                                                  : error_text(error);
}

/* ---- sockets ---- */

static int on_write(BIO *bio, const char *data, int size) {
    const struct clew__tls *tls = BIO_get_data(bio);
    ssize_t sent = send(tls->fd, data, (size_t)size, MSG_NOSIGNAL | MSG_DONTWAIT);
    BIO_clear_retry_flags(bio);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR))
        BIO_set_retry_write(bio);
    return (int)sent;
}

static int on_read(BIO *bio, char *data, int size) {
    const struct clew__tls *tls = BIO_get_data(bio);
    ssize_t received = recv(tls->fd, data, (size_t)size, MSG_DONTWAIT);
    BIO_clear_retry_flags(bio);
    if (received < 0 && (errno == EAGAIN || errno == EINTR))
        BIO_set_retry_read(bio);
    return (int)received;
}

static long on_control(BIO *bio, int command, long number, void *pointer) {
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH || command == BIO_CTRL_DUP;
}

static BIO_METHOD *make_method(void) {
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "clew");
    if (method && BIO_meth_set_write(method, on_write) && BIO_meth_set_read(method, on_read) &&
        BIO_meth_set_ctrl(method, on_control))
        return method;
    BIO_meth_free(method);
    return NULL;
}

/* ---- the context ---- */

/* A key that needs a passphrase cannot be used; OpenSSL's own way would ask on the terminal. */
static int on_passphrase(char *buffer, int size, int writing, void *user) {
    (void)buffer;
    (void)size;
    (void)writing;
    (void)user;
    return 0;
}

static bool file_fails(struct clew__tls *tls, const char *what, const char *path, unsigned long before) {
    char shown[64];
    clew__answer_show(clew__slice_text(path), NULL, 0, shown, sizeof shown);
    say(tls, "%s %s cannot be used: %s", what, shown, file_error_text(path, new_error(before)));
    return false;
}

static bool load_files(struct clew__tls *tls, SSL_CTX *context, unsigned long before) {
    const struct clew__otlp_settings *settings = tls->settings;
    if (!settings->certificate) {
        if (SSL_CTX_set_default_verify_paths(context) == 1)
            return true;
        say(tls, "the system's certificate authorities cannot be loaded");
        return false;
    }
    if (SSL_CTX_load_verify_locations(context, settings->certificate, NULL) != 1)
        return file_fails(tls, "the authorities in", settings->certificate, before);
    return true;
}

static bool load_client_files(struct clew__tls *tls, SSL_CTX *context, unsigned long before) {
    const struct clew__otlp_settings *settings = tls->settings;
    if (!settings->client_key || !settings->client_certificate)
        return true;
    if (SSL_CTX_use_certificate_chain_file(context, settings->client_certificate) != 1)
        return file_fails(tls, "the client certificate", settings->client_certificate, before);
    if (SSL_CTX_use_PrivateKey_file(context, settings->client_key, SSL_FILETYPE_PEM) != 1)
        return file_fails(tls, "the client key", settings->client_key, before);
    if (SSL_CTX_check_private_key(context) != 1)
        return file_fails(tls, "the client key does not belong to its certificate:", settings->client_key,
                          before);
    return true;
}

static enum clew__tls_end make_context(struct clew__tls *tls, unsigned long before) {
    if (tls->context)
        return CLEW__TLS_DONE;
    /* No clean-up by atexit(): it would run while our thread still uses the library. */
    if (!OPENSSL_init_ssl(OPENSSL_INIT_NO_ATEXIT, NULL))
        return CLEW__TLS_MEMORY;
    if (!tls->method && !(tls->method = make_method()))
        return CLEW__TLS_MEMORY;
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (!context)
        return CLEW__TLS_MEMORY;
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_default_passwd_cb(context, on_passphrase);
    bool made = SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
                SSL_CTX_set_alpn_protos(context, alpn, sizeof alpn - 1) == 0;
    if (!made) {
        SSL_CTX_free(context);
        return CLEW__TLS_MEMORY;
    }
    if (!load_files(tls, context, before) || !load_client_files(tls, context, before)) {
        SSL_CTX_free(context);
        return CLEW__TLS_HOPELESS;
    }
    tls->context = context;
    return CLEW__TLS_DONE;
}

/* After a failure the files are read anew: they may have been replaced. */
static void drop_context(struct clew__tls *tls) {
    SSL_CTX_free(tls->context);
    tls->context = NULL;
}

/* ---- the session ---- */

/* Whom the certificate has to name. */
static bool set_peer(struct clew__tls *tls) {
    const char *host = tls->settings->host ? tls->settings->host : "localhost"; /* a Unix socket */
    X509_VERIFY_PARAM *parameters = SSL_get0_param(tls->session);
    X509_VERIFY_PARAM_set_hostflags(parameters, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (X509_VERIFY_PARAM_set1_ip_asc(parameters, host) == 1)
        return true; /* an address: no server name is sent */
    return SSL_set1_host(tls->session, host) == 1 && SSL_set_tlsext_host_name(tls->session, host) == 1;
}

static enum clew__tls_end make_session(struct clew__tls *tls, int fd) {
    tls->session = SSL_new(tls->context);
    BIO *bio = tls->session ? BIO_new(tls->method) : NULL;
    if (!bio)
        return CLEW__TLS_MEMORY;
    tls->fd = fd;
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    SSL_set_bio(tls->session, bio, bio);
    SSL_set_connect_state(tls->session);
    return set_peer(tls) ? CLEW__TLS_DONE : CLEW__TLS_MEMORY;
}

enum clew__tls_end clew__tls_begin(struct clew__tls *tls, int fd) {
    int saved = errno;
    unsigned long before = mark_errors();
    tls->reason[0] = '\0';
    tls->established = false;
    enum clew__tls_end end = make_context(tls, before);
    if (end == CLEW__TLS_DONE)
        end = make_session(tls, fd);
    ERR_pop_to_mark();
    if (end != CLEW__TLS_DONE)
        clew__tls_end_session(tls);
    errno = saved;
    return end;
}

/* The last operation did nothing because the socket was not ready. */
static bool would_block(const struct clew__tls *tls) {
    return (SSL_want_read(tls->session) && BIO_should_retry(SSL_get_rbio(tls->session))) ||
           (SSL_want_write(tls->session) && BIO_should_retry(SSL_get_wbio(tls->session)));
}

bool clew__tls_wants_write(const struct clew__tls *tls) {
    return tls->session && SSL_want_write(tls->session);
}

/* A certificate that OpenSSL has found wanting. */
static void explain_certificate(struct clew__tls *tls, long result) {
    const struct clew__otlp_settings *settings = tls->settings;
    switch (result) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        say(tls, "the certificate of %s has expired", settings->shown);
        break;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        say(tls, "the certificate of %s is not valid yet", settings->shown);
        break;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        say(tls, "the certificate of %s is for another host", settings->shown);
        break;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        say(tls, "the certificate of %s is by an authority that is not trusted here", settings->shown);
        break;
    default:
        say(tls, "the certificate of %s is refused: %s", settings->shown,
            X509_verify_cert_error_string(result));
    }
}

/* An alert of the peer that says what it has against our certificate, or that we have none. */
static bool is_about_our_certificate(int reason) {
    switch (reason) {
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
    case SSL_R_TLSV1_ALERT_ACCESS_DENIED:
        return true;
    default:
        return false;
    }
}

/* Something on an established session, or in the handshake, went wrong for another reason. */
static enum clew__tls_end explain_error(struct clew__tls *tls, unsigned long error) {
    const char *shown = tls->settings->shown;
    int reason = ERR_GET_REASON(error);
    if (ERR_GET_LIB(error) == ERR_LIB_SSL && is_about_our_certificate(reason)) {
        say(tls, "%s refuses %s: %s", shown,
            tls->settings->client_key ? "our client certificate" : "clients without a certificate",
            error_text(error));
        return CLEW__TLS_HOPELESS;
    }
    if (ERR_GET_LIB(error) == ERR_LIB_SSL && !tls->established &&
        reason != SSL_R_UNEXPECTED_EOF_WHILE_READING) {
        if (reason == SSL_R_WRONG_VERSION_NUMBER)
            say(tls, "what %s answers is not TLS; is it http:// that is meant?", shown);
        else if (reason == SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE && !tls->settings->client_key)
            say(tls, "%s refuses the TLS handshake; does it want a client certificate?", shown);
        else
            say(tls, "no TLS with %s: %s", shown, error_text(error));
        return CLEW__TLS_HOPELESS;
    }
    if (error)
        say(tls, "connection to %s lost: %s", shown, error_text(error));
    else if (errno)
        say(tls, "connection to %s lost: %s", shown, strerror(errno));
    return CLEW__TLS_LOST;
}

/* The last operation neither did its work nor waits. */
static enum clew__tls_end explain(struct clew__tls *tls, unsigned long before) {
    long verified = SSL_get_verify_result(tls->session);
    unsigned long error = new_error(before);
    /* A fatal alert counts as an end, too, but leaves an error. */
    if (!error && SSL_get_shutdown(tls->session) & SSL_RECEIVED_SHUTDOWN)
        return CLEW__TLS_LOST;
    if (verified != X509_V_OK) {
        explain_certificate(tls, verified);
        return CLEW__TLS_HOPELESS;
    }
    return explain_error(tls, error);
}

/* What becomes of an operation that returned `result`. */
static enum clew__tls_end conclude(struct clew__tls *tls, int result, unsigned long before, int saved) {
    enum clew__tls_end end = CLEW__TLS_DONE;
    if (result <= 0)
        end = would_block(tls) ? CLEW__TLS_WAIT : explain(tls, before);
    ERR_pop_to_mark();
    if (end == CLEW__TLS_HOPELESS)
        drop_context(tls);
    errno = saved;
    return end;
}

enum clew__tls_end clew__tls_shake_hands(struct clew__tls *tls) {
    const unsigned char *protocol;
    unsigned size;
    int saved = errno;
    unsigned long before = mark_errors();
    errno = 0;
    int result = SSL_do_handshake(tls->session);
    enum clew__tls_end end = conclude(tls, result, before, saved);
    if (end != CLEW__TLS_DONE)
        return end;
    SSL_get0_alpn_selected(tls->session, &protocol, &size);
    if (size != alpn[0] || memcmp(protocol, alpn + 1, size) != 0) {
        say(tls, "%s does not speak HTTP/2 over TLS (ALPN): is it a port for OTLP/gRPC?",
            tls->settings->shown);
        return CLEW__TLS_HOPELESS;
    }
    tls->established = true;
    return CLEW__TLS_DONE;
}

enum clew__tls_end clew__tls_send(struct clew__tls *tls, const void *data, size_t size, size_t *done) {
    int saved = errno;
    unsigned long before = mark_errors();
    *done = 0;
    errno = 0;
    int result = SSL_write_ex(tls->session, data, size, done);
    return conclude(tls, result, before, saved);
}

enum clew__tls_end clew__tls_receive(struct clew__tls *tls, void *data, size_t size, size_t *done) {
    int saved = errno;
    unsigned long before = mark_errors();
    *done = 0;
    errno = 0;
    int result = SSL_read_ex(tls->session, data, size, done);
    return conclude(tls, result, before, saved);
}

void clew__tls_end_session(struct clew__tls *tls) {
    int saved = errno;
    if (!tls->session)
        return;
    ERR_set_mark();
    if (tls->established)
        SSL_shutdown(tls->session); /* a word, not a wait for the answer */
    SSL_free(tls->session);
    ERR_pop_to_mark();
    tls->session = NULL;
    tls->established = false;
    errno = saved;
}

void clew__tls_forget(struct clew__tls *tls) {
    clew__leave_behind(tls->session);
    clew__leave_behind(tls->context);
    clew__leave_behind(tls->method);
    tls->session = NULL;
    tls->context = NULL;
    tls->method = NULL;
    tls->established = false;
}

void clew__tls_fini(struct clew__tls *tls) {
    clew__tls_end_session(tls);
    drop_context(tls);
    BIO_meth_free(tls->method);
    tls->method = NULL;
}
