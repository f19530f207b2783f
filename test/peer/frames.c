/* Answers over HTTP/2 that nghttp2 would not write: raw frames. Pure, but for what is appended to the
 * connection's buffers. */
#include "test/peer/frames.h"

#include <nghttp2/nghttp2.h>
#include <string.h>

static void put_frame_head(uint8_t out[9], size_t size, uint8_t type, uint8_t flags, int32_t stream) {
    out[0] = (uint8_t)(size >> 16);
    out[1] = (uint8_t)(size >> 8);
    out[2] = (uint8_t)size;
    out[3] = type;
    out[4] = flags;
    for (int i = 0; i < 4; i++)
        out[5 + i] = (uint8_t)((uint32_t)stream >> (24 - 8 * i));
}

static bool append_frame(struct buffer *out, uint8_t type, uint8_t flags, int32_t stream, const void *payload,
                         size_t size) {
    uint8_t head[9];
    put_frame_head(head, size, type, flags, stream);
    return buffer_append(out, head, sizeof head) && buffer_append(out, payload, size);
}

/* HPACK: a field that enters no table, with a name of its own; texts of less than 127 bytes. */
static size_t put_field(uint8_t *out, const char *name, const char *value) {
    size_t name_size = strlen(name), size = strlen(value);
    out[0] = 0;
    out[1] = (uint8_t)name_size;
    memcpy(out + 2, name, name_size);
    out[2 + name_size] = (uint8_t)size;
    memcpy(out + 3 + name_size, value, size);
    return 3 + name_size + size;
}

/* :status 200 and the content type of gRPC. */
static size_t put_response_fields(uint8_t *out) {
    out[0] = 0x88;
    return 1 + put_field(out + 1, "content-type", "application/grpc");
}

static bool append_response_headers(struct buffer *out, int32_t stream) {
    uint8_t fields[64];
    return append_frame(out, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, stream, fields,
                        put_response_fields(fields));
}

bool frames_endless_headers(struct connection *connection, int32_t stream, bool trailers) {
    uint8_t fields[1024];
    size_t size = put_response_fields(fields);
    if (trailers) {
        if (!append_response_headers(&connection->out, stream) ||
            !append_frame(&connection->out, NGHTTP2_DATA, 0, stream, "\0\0\0\0", PREFIX_SIZE))
            return false;
        size = put_field(fields, "grpc-status", "0");
    }
    if (!append_frame(&connection->out, NGHTTP2_HEADERS, trailers ? NGHTTP2_FLAG_END_STREAM : 0, stream,
                      fields, size))
        return false;
    for (size = 0; size + 64 < sizeof fields;)
        size += put_field(fields + size, "x-more", "there is always more of this");
    while (connection->flood.size < FLOOD_SIZE) {
        if (!append_frame(&connection->flood, NGHTTP2_CONTINUATION, 0, stream, fields, size))
            return false;
    }
    return true;
}

bool frames_endless_interim(struct connection *connection, int32_t stream) {
    static const uint8_t early[] = {0x08, 3, '1', '0', '3'}, ping[8] = {0};
    while (connection->flood.size < FLOOD_SIZE) {
        if (!append_frame(&connection->flood, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, stream, early,
                          sizeof early) ||
            !append_frame(&connection->flood, NGHTTP2_PING, 0, 0, ping, sizeof ping) ||
            !append_frame(&connection->flood, NGHTTP2_SETTINGS, 0, 0, NULL, 0))
            return false;
    }
    return true;
}

bool frames_huge_trailer(struct connection *connection, int32_t stream) {
    static const uint8_t field[] = {0x00, 3,    'x',  '-', 'l', 0x7f, 0x81, 0xff,
                                    0xff, 0xff, 0x03, 'm', 'o', 'r',  'e'};
    return append_response_headers(&connection->out, stream) &&
           append_frame(&connection->out, NGHTTP2_DATA, 0, stream, "\0\0\0\0", PREFIX_SIZE) &&
           append_frame(&connection->out, NGHTTP2_HEADERS, 0, stream, field, sizeof field);
}

bool frames_huge_message(struct connection *connection, int32_t stream) {
    return append_response_headers(&connection->out, stream) &&
           append_frame(&connection->out, NGHTTP2_DATA, 0, stream, "\0\x40\0\0\0more", PREFIX_SIZE + 4);
}

bool frames_bomb(struct connection *connection, int32_t stream) {
    enum { PIECE = 16 << 10, WINDOW_OF_CLIENT = 65535 };
    struct buffer message = {NULL, 0, 0};
    uint8_t fields[96];
    size_t size = put_response_fields(fields);
    bool done = append_bomb(&message);
    size += put_field(fields + size, "grpc-encoding", "gzip");
    /* As much as fits into any client's window. */
    if (message.size > WINDOW_OF_CLIENT - PREFIX_SIZE)
        message.size = WINDOW_OF_CLIENT - PREFIX_SIZE;
    uint8_t prefix[PREFIX_SIZE] = {1, 0, (uint8_t)(message.size >> 16), (uint8_t)(message.size >> 8),
                                   (uint8_t)message.size};
    done = done &&
           append_frame(&connection->out, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, stream, fields, size) &&
           append_frame(&connection->out, NGHTTP2_DATA, 0, stream, prefix, sizeof prefix);
    for (size_t at = 0; done && at < message.size; at += PIECE) {
        size_t piece = message.size - at < PIECE ? message.size - at : PIECE;
        done = append_frame(&connection->out, NGHTTP2_DATA, 0, stream, message.data + at, piece);
    }
    size = put_field(fields, "grpc-status", "0");
    done = done && append_frame(&connection->out, NGHTTP2_HEADERS,
                                NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, stream, fields, size);
    buffer_free(&message);
    return done;
}
