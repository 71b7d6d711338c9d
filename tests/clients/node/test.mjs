// The trading server as the `ws` package sees it, a client that this project did not write.
// Knows the wire; must not know how the server works.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { after, before, describe, test } from 'node:test';

const { default: WebSocket } = await import('ws').catch(() => {
  throw new Error('the package ws is missing: run `npm ci` in tests/clients/node');
});

const LIMIT = { timeout: 20_000 };
const BARS = { symbol: 'AAPL', params: { resolution: '1' } };

describe('the trading server', () => {
  let server;
  before(async () => { server = await Server.start(); }, LIMIT);
  after(() => server?.end());

  // protocol: M7
  // trading: O1
  test('a ping is answered with its own timestamp', LIMIT, async () => {
    const client = await server.connect('/api/v1/ws');
    client.say('simple.ping', { timestamp: 1234567890 });
    const { type, payload } = await client.hear();
    assert.equal(type, 'simple.pong');
    assert.equal(payload.timestamp, 1234567890);
    assert.ok(Number.isSafeInteger(payload.server_time));
    await client.leave();
  });

  // protocol: T12 T13
  // trading: O2 O3
  test('a subscription begins and ends with its responses', LIMIT, async () => {
    const client = await server.connect('/api/v1/ws');
    client.say('bars.subscribe', BARS);
    const begun = await client.hear();
    assert.equal(begun.type, 'bars.subscribe.response');
    assert.equal(begun.payload.status, 'ok');
    assert.equal(begun.payload.topic, 'bars:AAPL:1');

    client.say('bars.unsubscribe', BARS);
    const ended = await client.hear((message) => message.type !== 'bars.update');
    assert.equal(ended.type, 'bars.unsubscribe.response');
    assert.equal(ended.payload.status, 'ok');

    // Nothing of the topic may follow that response.
    client.say('simple.ping', { timestamp: 1 });
    assert.equal((await client.hear()).type, 'simple.pong');
    await client.leave();
  });

  // protocol: M5
  // trading: O4
  test('a subscriber gets updates that name their topic', LIMIT, async () => {
    const client = await server.connect('/api/v1/ws');
    client.say('bars.subscribe', BARS);
    assert.equal((await client.hear()).type, 'bars.subscribe.response');
    const update = await client.hear();
    assert.equal(update.type, 'bars.update');
    assert.equal(update.topic, 'bars:AAPL:1');
    assert.ok('close' in update.payload);
    await client.leave();
  });

  // protocol: E4
  test('an unknown type closes with 1003', LIMIT, async () => {
    const client = await server.connect();
    client.say('no.such.operation', {});
    assert.deepEqual(await client.closed, { code: 1003, reason: 'No matching type' });
  });

  // protocol: E3
  test('a payload of the wrong shape closes with 1003', LIMIT, async () => {
    const client = await server.connect();
    client.say('strict', { value: 'not_an_int', name: 123 });
    assert.deepEqual(await client.closed, { code: 1003, reason: 'Could not validate payload' });
  });

  // protocol: T1
  // trading: O7
  test('an update reaches every listener of its topic', LIMIT, async () => {
    const ann = await server.connect();
    const bob = await server.connect();
    for (const client of [ann, bob]) {
      client.say('quotes.subscribe', { symbol: 'MSFT' });
      const { type, payload } = await client.hear();
      assert.equal(type, 'quotes.subscribe.response');
      assert.equal(payload.topic, 'quotes:MSFT');
    }
    // Ann was there first: whatever Bob hears live, she hears too.
    await bob.hear();
    const live = await bob.hear();
    assert.equal(live.topic, 'quotes:MSFT');
    await ann.hear((message) => JSON.stringify(message) === JSON.stringify(live));
    await Promise.all([ann.leave(), bob.leave()]);
  });

  test('quotes move', LIMIT, async () => {
    const client = await server.connect();
    client.say('quotes.subscribe', { symbol: 'BTCUSD' });
    assert.equal((await client.hear()).payload.status, 'ok');
    const first = await client.hear();
    assert.equal(first.type, 'quotes.update');
    assert.equal(first.payload.symbol, 'BTCUSD');
    assert.ok(first.payload.bid <= first.payload.ask);
    const moved = await client.hear(({ payload }) => payload.last !== first.payload.last);
    assert.ok(moved.payload.time >= first.payload.time);
    await client.leave();
  });
});

// trading: S4
test('SIGTERM closes everybody with 1001 and ends the process with 0', LIMIT, async (t) => {
  const server = await Server.start();
  t.after(() => server.end());
  const clients = [await server.connect(), await server.connect('/api/v1/ws')];
  clients[0].say('quotes.subscribe', { symbol: 'AAPL' });
  assert.equal((await clients[0].hear()).payload.status, 'ok');

  server.process.kill('SIGTERM');
  for (const client of clients) {
    assert.deepEqual(await client.closed, { code: 1001, reason: 'Server shutting down' });
  }
  assert.deepEqual(await server.exited, [0, null]);
});

class Server {
  static async start() {
    const program = process.env.TRADING_SERVER;
    if (!program) {
      throw new Error('TRADING_SERVER is not set: run `cargo build -p fastws-smol --example trading` '
        + 'and set it to the whole path of target/debug/examples/trading');
    }
    const child = spawn(program, ['--listen', '127.0.0.1:0', '--seed', '1'],
      { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(child, 'spawn');
    const server = new Server(child);
    for await (const line of createInterface({ input: child.stdout })) {
      const found = /^listening on http:\/\/(127\.0\.0\.1:\d+)$/.exec(line);
      if (found) {
        server.address = found[1];
        child.stdout.resume();
        return server;
      }
    }
    throw new Error(`${program} ended without saying where it listens`);
  }

  constructor(child) {
    this.process = child;
    this.exited = once(child, 'exit');
  }

  async connect(path = '/ws') {
    const client = new Client(new WebSocket(`ws://${this.address}${path}`));
    await once(client.socket, 'open');
    return client;
  }

  async end() {
    this.process.kill('SIGKILL');
    await this.exited;
  }
}

class Client {
  #heard = [];
  #wake = () => {};
  #end = null;

  constructor(socket) {
    this.socket = socket;
    this.closed = new Promise((resolve) => {
      socket.on('close', (code, reason) => {
        this.#end = { code, reason: String(reason) };
        resolve(this.#end);
        this.#wake();
      });
    });
    socket.on('message', (data, isBinary) => {
      assert.ok(!isBinary, 'messages are text');
      this.#heard.push(JSON.parse(data));
      this.#wake();
    });
  }

  say(type, payload) {
    this.socket.send(JSON.stringify({ type, payload }));
  }

  // The next message that fits; those before it are dropped.
  async hear(fits = () => true) {
    for (;;) {
      while (this.#heard.length > 0) {
        const message = this.#heard.shift();
        if (fits(message)) return message;
      }
      if (this.#end) throw new Error(`closed while listening: ${JSON.stringify(this.#end)}`);
      await new Promise((resolve) => { this.#wake = resolve; });
    }
  }

  async leave() {
    this.socket.close(1000);
    await this.closed;
  }
}
