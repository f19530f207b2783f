// A strict server for OTLP/gRPC on @grpc/grpc-js. It takes requests as raw bytes, finds the ids of the spans in them,
// keeps what it saw of each call, and answers as it is told, call by call.
'use strict';

const http2 = require('http2');
const grpc = require('@grpc/grpc-js');

const EXPORT = '/opentelemetry.proto.collector.trace.v1.TraceService/Export';
const SERVICE = {
  Export: {
    path: EXPORT,
    requestStream: false,
    responseStream: false,
    requestSerialize: (bytes) => bytes,
    requestDeserialize: (bytes) => bytes,
    responseSerialize: (bytes) => bytes,
    responseDeserialize: (bytes) => bytes,
  },
};
const LENGTH_DELIMITED = 2;

// ---- protobuf, as much as is needed ----

function readVarint(bytes, at) {
  let value = 0n;
  for (let shift = 0n; ; shift += 7n, at++) {
    if (at >= bytes.length || shift > 63n) throw new Error('a varint has no end');
    value |= BigInt(bytes[at] & 0x7f) << shift;
    if (bytes[at] < 0x80) return [Number(value), at + 1];
  }
}

// The contents of all length-delimited fields of this number.
function fields(bytes, number) {
  const found = [];
  for (let at = 0; at < bytes.length;) {
    let tag, size;
    [tag, at] = readVarint(bytes, at);
    switch (tag & 7) {
      case 0: [, at] = readVarint(bytes, at); break;
      case 1: at += 8; break;
      case LENGTH_DELIMITED:
        [size, at] = readVarint(bytes, at);
        if (at + size > bytes.length) throw new Error('a field is cut');
        if (tag >> 3 === number) found.push(bytes.subarray(at, at + size));
        at += size;
        break;
      case 5: at += 4; break;
      default: throw new Error(`wire type ${tag & 7}`);
    }
  }
  return found;
}

// ExportTraceServiceRequest.resource_spans, .scope_spans, .spans, .span_id
function spanIds(request) {
  return fields(request, 1).flatMap((resource) => fields(resource, 2))
    .flatMap((scope) => fields(scope, 2))
    .map((span) => fields(span, 2)[0].toString('hex'));
}

function varint(value) {
  const bytes = [];
  for (; value >= 0x80; value = Math.floor(value / 0x80)) bytes.push((value % 0x80) | 0x80);
  return Buffer.from([...bytes, value]);
}

function number(field, value) {
  return Buffer.concat([varint(field << 3), varint(value)]);
}

function bytes(field, content) {
  const buffer = Buffer.from(content);
  return Buffer.concat([varint((field << 3) | LENGTH_DELIMITED), varint(buffer.length), buffer]);
}

// ---- answers ----

const accepted = Buffer.alloc(0);

function partialSuccess(rejected, message) {
  return bytes(1, Buffer.concat([number(1, rejected), bytes(2, message)]));
}

function failure(code, details, metadata) {
  return { code, details, metadata };
}

// google.rpc.Status with a google.rpc.RetryInfo
function exhausted(details, delayMs) {
  const metadata = new grpc.Metadata();
  const delay = Buffer.concat([number(1, Math.floor(delayMs / 1000)), number(2, (delayMs % 1000) * 1e6)]);
  const info = Buffer.concat([bytes(1, 'type.googleapis.com/google.rpc.RetryInfo'), bytes(2, bytes(1, delay))]);
  metadata.set('grpc-status-details-bin', Buffer.concat([
    number(1, grpc.status.RESOURCE_EXHAUSTED), bytes(2, details), bytes(3, info)]));
  return failure(grpc.status.RESOURCE_EXHAUSTED, details, metadata);
}

// ---- the server ----

class Server {
  // options.window: bytes of flow control for a stream. options.pauseMs: how long it waits after each piece it reads.
  constructor(options = {}) {
    this.options = options;
    this.calls = []; // { at, answeredAt, ids, size, headers, metadata, deadline, session, pieces, cancelled, rstCode }
    this.faults = [];
    this.sessions = [];
    this.streams = [];
    this.behaviours = [];
  }

  // A behaviour is called with the call's record and answers by calling its second argument, or never. The last one
  // stays.
  answers(...behaviours) {
    this.behaviours.push(...behaviours);
    return this;
  }

  async start(port = 0) {
    this.grpc = this.make();
    this.grpc.addService(SERVICE, { Export: (call, answer) => this.take(call, answer) });
    this.port = await new Promise((resolve, reject) => {
      this.grpc.bindAsync(`127.0.0.1:${port}`, grpc.ServerCredentials.createInsecure(),
        (error, bound) => (error ? reject(error) : resolve(bound)));
    });
    return this;
  }

  // grpc-js makes its HTTP/2 server when it binds; what it does not tell is seen there.
  make() {
    const createServer = http2.createServer;
    http2.createServer = (given) => {
      const settings = { ...given.settings };
      if (this.options.window) settings.initialWindowSize = this.options.window;
      const server = createServer({ ...given, settings });
      http2.createServer = createServer;
      server.on('session', (session) => {
        this.sessions.push(session);
        session.on('error', (error) => this.faults.push(`session: ${error.message}`));
        session.on('frameError', (type, code) => this.faults.push(`frame ${type}: error ${code}`));
      });
      server.on('sessionError', (error) => this.faults.push(`session: ${error.message}`));
      server.on('stream', (stream, headers) => this.watch(stream, headers));
      return server;
    };
    return new grpc.Server();
  }

  watch(stream, headers) {
    const seen = { headers, pieces: 0, session: this.sessions.indexOf(stream.session) };
    this.streams.push(seen);
    stream.on('close', () => { seen.rstCode = stream.rstCode; });
    stream.on('data', () => {
      seen.pieces++;
      if (!this.options.pauseMs) return;
      stream.pause();
      setTimeout(() => stream.resume(), this.options.pauseMs);
    });
    stream.pause();
  }

  take(call, answer) {
    const seen = this.streams[this.streams.length - 1];
    Object.assign(seen, {
      at: Date.now(),
      ids: spanIds(call.request),
      size: call.request.length,
      metadata: call.metadata,
      deadline: call.getDeadline(),
      cancelled: false,
    });
    this.calls.push(seen);
    call.on('cancelled', () => { seen.cancelled = true; });
    const behave = this.behaviours.length > 1 ? this.behaviours.shift() : this.behaviours[0];
    behave(seen, (result) => {
      seen.answeredAt = Date.now();
      if (Buffer.isBuffer(result)) answer(null, result);
      else answer(result);
    });
  }

  ids() {
    return this.calls.flatMap((call) => call.ids);
  }

  // Says goodbye on all connections: what is under way goes on, the next call must come on another one.
  drain() {
    this.grpc.drain(`127.0.0.1:${this.port}`, 10000);
  }

  // Resolves when all calls have ended and all connections are closed.
  shutdown() {
    return new Promise((resolve) => this.grpc.tryShutdown(resolve));
  }

  stop() {
    this.grpc.forceShutdown();
  }
}

module.exports = { EXPORT, Server, accepted, exhausted, failure, partialSuccess, status: grpc.status };
