// Lets the program `send` speak to the strict server of grpc_server.js and looks at both sides. Prints TAP lines
// without a plan.
//
//     NODE_PATH=…/node_modules node grpc_calls.js SEND
'use strict';

const { spawn } = require('child_process');
const readline = require('readline');
const { Server, accepted, exhausted, failure, partialSuccess, status } = require('./grpc_server.js');

const PATIENCE_MS = 20000; // for what must come
const GRACE_MS = 1500; // after a deadline, on a machine with much else to do
const program = process.argv[2];

function check(right, name, ...about) {
  console.log(`${right ? 'ok' : 'not ok'} - @grpc/grpc-js: ${name}`);
  if (!right) console.error(name, ...about);
}

function same(name, expected, got) {
  check(JSON.stringify(expected) === JSON.stringify(got), name, '\n  expected:', expected, '\n  got:     ', got);
}

async function until(condition) {
  const end = Date.now() + PATIENCE_MS;
  while (!condition() && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 5));
  return condition();
}

// ---- the client: the program `send` ----

// Exports when it is told to, all spans of a flush in one batch.
class Client {
  constructor(server, more = {}) {
    const environment = {};
    for (const [name, value] of Object.entries(more)) environment[`OTEL_EXPORTER_OTLP_${name}`] = value;
    this.process = spawn(program, [], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: {
        ...process.env,
        OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
        OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${server.port}`,
        OTEL_BSP_SCHEDULE_DELAY: '600000',
        OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '2048',
        ...environment,
      },
    });
    this.said = '';
    this.process.stderr.on('data', (data) => { this.said += data; });
    this.lines = readline.createInterface({ input: this.process.stdout })[Symbol.asyncIterator]();
    this.ended = new Promise((resolve) => this.process.on('exit', resolve));
  }

  async line() {
    const { value } = await this.lines.next();
    return JSON.parse(value);
  }

  // One batch, and what came of it.
  send(count) {
    this.process.stdin.write(`spans ${count}\nflush ${PATIENCE_MS}\n`);
    return this.line();
  }

  async end() {
    this.process.stdin.end();
    const last = await this.line();
    await this.ended;
    return last;
  }
}

function fates(result) {
  const { offered, exported, rejected, failed, unknown } = result.pipeline;
  return { offered, exported, rejected, failed, unknown };
}

function books(offered, more) {
  return { offered, exported: 0, rejected: 0, failed: 0, unknown: 0, ...more };
}

function sameSpans(name, server, count) {
  const ids = server.ids();
  same(`${name}: the server has each span once`, [count, count], [ids.length, new Set(ids).size]);
}

const ok = (call, answer) => answer(accepted);
const never = () => {};

// At the end the server must have nothing to object to.
async function talk(name, server, environment, conversation) {
  await server.start();
  const client = new Client(server, environment);
  await conversation(client);
  await client.end();
  server.stop();
  same(`${name}: the server has nothing to object to`, [], server.faults);
}

// ---- the conversations ----

function milliseconds(timeout) {
  const [, digits, unit] = /^([0-9]{1,8})([HMSmun])$/.exec(timeout) || [];
  return Number(digits) * { H: 3600000, M: 60000, S: 1000, m: 1, u: 1e-3, n: 1e-6 }[unit];
}

async function anOrdinaryCall() {
  const name = 'an ordinary call';
  const server = new Server().answers(ok);
  const environment = { TIMEOUT: '3000', HEADERS: 'X-Tenant=one%20two,sign-bin=%E9%FF%20x' };
  await talk(name, server, environment, async (client) => {
    const result = await client.send(10);
    const [call] = server.calls;
    same(`${name}: the books of the client`, books(10, { exported: 10 }), fates(result));
    sameSpans(name, server, 10);
    const timeout = milliseconds(call.headers['grpc-timeout']);
    check(timeout > 0 && timeout <= 3000, `${name}: the deadline that the server gets is within the time-out`, timeout);
    check(call.deadline - call.at <= 3000, `${name}: grpc-js understands the deadline`, call.deadline - call.at);
    same(`${name}: metadata`, ['one two'], call.metadata.get('x-tenant'));
    same(`${name}: binary metadata`, 'e9ff2078', Buffer.concat(call.metadata.get('sign-bin')).toString('hex'));
    same(`${name}: what gRPC asks of a request`, ['POST', 'http', 'trailers', 'application/grpc', undefined],
      [':method', ':scheme', 'te', 'content-type', 'grpc-encoding'].map((key) => call.headers[key]));
    check(/OTel-OTLP-Exporter-C/i.test(call.headers['user-agent']), `${name}: who calls`, call.headers['user-agent']);
    await client.send(10);
    same(`${name}: the next one comes on the same connection`, [0, 0], server.calls.map((each) => each.session));
  });
}

async function compressed() {
  const name = 'gzip';
  const server = new Server().answers(ok);
  await talk(name, server, { COMPRESSION: 'gzip' }, async (client) => {
    const result = await client.send(300);
    same(`${name}: it is announced`, 'gzip', server.calls[0].headers['grpc-encoding']);
    same(`${name}: the books of the client`, books(300, { exported: 300 }), fates(result));
    sameSpans(name, server, 300);
  });
}

async function askedToWait() {
  const name = 'RESOURCE_EXHAUSTED with RetryInfo';
  const delay = 1300;
  const server = new Server().answers((call, answer) => answer(exhausted('later', delay)), ok);
  await talk(name, server, {}, async (client) => {
    const result = await client.send(10);
    const [first, second] = server.calls;
    same(`${name}: two calls with the same spans`, first.ids, second?.ids);
    check(second?.at - first.answeredAt >= delay, `${name}: the client waits as long as it is asked to`,
      second?.at - first.answeredAt);
    same(`${name}: then it is delivered`, books(10, { exported: 10 }), fates(result));
  });
}

async function exhaustedForGood() {
  const name = 'RESOURCE_EXHAUSTED without RetryInfo';
  const server = new Server().answers((call, answer) => answer(failure(status.RESOURCE_EXHAUSTED, 'no room')), ok);
  await talk(name, server, {}, async (client) => {
    const result = await client.send(10);
    same(`${name}: it is not tried again`, [1, books(10, { failed: 10 })], [server.calls.length, fates(result)]);
    check(await until(() => /RESOURCE_EXHAUSTED.*no room/.test(client.said)), `${name}: a message says why`, client.said);
  });
}

async function unavailable() {
  const name = 'UNAVAILABLE';
  const server = new Server().answers((call, answer) => answer(failure(status.UNAVAILABLE, 'not yet')), ok);
  await talk(name, server, {}, async (client) => {
    const result = await client.send(10);
    same(`${name}: it is tried again, and delivered`, [2, books(10, { exported: 10 })],
      [server.calls.length, fates(result)]);
    same(`${name}: with the same spans`, server.calls[0].ids, server.calls[1]?.ids);
  });
}

async function partly() {
  const name = 'partial success';
  const server = new Server().answers((call, answer) => answer(partialSuccess(3, 'three are odd')), ok);
  await talk(name, server, {}, async (client) => {
    const result = await client.send(10);
    same(`${name}: it is counted, and not tried again`, [1, books(10, { exported: 7, rejected: 3 })],
      [server.calls.length, fates(result)]);
    check(await until(() => /rejected 3 of 10 .*three are odd/.test(client.said)), `${name}: a message says why`, client.said);
  });
}

async function goodbyeInMidFlight() {
  const name = 'GOAWAY while a call is open';
  let release;
  const server = new Server().answers((call, answer) => { release = () => answer(accepted); }, ok);
  await talk(name, server, {}, async (client) => {
    const sent = client.send(10);
    await until(() => release);
    server.drain();
    setTimeout(release, 200);
    same(`${name}: the call is answered and counted once`, books(10, { exported: 10 }), fates(await sent));
    same(`${name}: so is the next`, books(30, { exported: 30 }), fates(await client.send(20)));
    same(`${name}: which comes on another connection`, [0, 1], server.calls.map((call) => call.session));
    sameSpans(name, server, 30);
  });
}

async function shutdownInMidFlight() {
  const name = 'a shutdown while a call is open';
  let release;
  const server = new Server().answers((call, answer) => { release = () => answer(accepted); });
  await server.start();
  const client = new Client(server);
  const sent = client.send(10);
  await until(() => release);
  const down = server.shutdown();
  setTimeout(release, 200);
  same(`${name}: the call is answered and counted once`, books(10, { exported: 10 }), fates(await sent));
  const next = new Server().answers(ok);
  // The client looks at an idle connection when it needs it, so until then the old server waits for it to close.
  const result = client.send(20);
  await Promise.race([down, new Promise((resolve) => setTimeout(resolve, PATIENCE_MS).unref())]);
  await next.start(server.port);
  same(`${name}: the next goes to who comes after`, books(30, { exported: 30 }), fates(await result));
  await client.end();
  next.stop();
  sameSpans(`${name}: before`, server, 10);
  sameSpans(`${name}: after`, next, 20);
  same(`${name}: the servers have nothing to object to`, [[], []], [server.faults, next.faults]);
}

async function slowReader() {
  const name = 'a slow reader';
  const window = 1024;
  const server = new Server({ window, pauseMs: 3 }).answers(ok);
  await talk(name, server, {}, async (client) => {
    const result = await client.send(2000);
    const [call] = server.calls;
    // What was on its way before the client knew of the window had HTTP/2's own.
    check(call.pieces >= (call.size - 65535) / window, `${name}: it got it in pieces that fit its window`,
      call.pieces, call.size);
    same(`${name}: the books of the client`, books(2000, { exported: 2000 }), fates(result));
    sameSpans(name, server, 2000);
  });
}

async function noAnswer() {
  const name = 'no answer';
  const timeout = 700;
  const server = new Server().answers(never);
  await talk(name, server, { TIMEOUT: String(timeout) }, async (client) => {
    const result = await client.send(10);
    check(result.took_ms >= timeout - 50 && result.took_ms <= timeout + GRACE_MS,
      `${name}: the client is back at its deadline`, result.took_ms);
    same(`${name}: nobody knows what became of the spans`, books(10, { unknown: 10 }), fates(result));
    check(await until(() => server.calls[0].cancelled && server.calls[0].rstCode !== undefined),
      `${name}: the server sees that the call is cancelled`, server.calls[0].rstCode);
    same(`${name}: it is not tried again`, 1, server.calls.length);
    server.answers(ok);
    server.behaviours.shift();
    same(`${name}: the next call is answered`, books(20, { exported: 10, unknown: 10 }), fates(await client.send(10)));
  });
}

(async () => {
  const conversations = [anOrdinaryCall, compressed, askedToWait, exhaustedForGood, unavailable, partly,
    goodbyeInMidFlight, shutdownInMidFlight, slowReader, noAnswer];
  for (const conversation of conversations) await conversation();
  process.exit(0);
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
