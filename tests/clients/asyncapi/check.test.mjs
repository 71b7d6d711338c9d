// Holds the server's AsyncAPI document against the official parser, and against what the parser does not check.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { Parser } from "@asyncapi/parser";
import Ajv from "ajv";
import WebSocket from "ws";

const server = process.env.TRADING_SERVER;
assert(server, "TRADING_SERVER is to be the path of the trading example");

const text = execFileSync(server, ["--print-asyncapi"], { encoding: "utf8" });
const document = JSON.parse(text);

// protocol: D11
// trading: S18
test("the official parser has nothing to complain about, in both versions", async () => {
  for (const version of ["3.0.0", "3.1.0"]) {
    const source = JSON.stringify({ ...document, asyncapi: version });
    const { document: parsed, diagnostics } = await new Parser().parse(source);
    const errors = diagnostics.filter(({ severity }) => severity <= 1);
    assert.deepEqual(errors.map(({ message, path }) => [path.join("."), message]), [], version);
    assert.equal(parsed.version(), version);
  }
});

test("what is printed is sorted, and the same each time", () => {
  assert.equal(execFileSync(server, ["--print-asyncapi"], { encoding: "utf8" }), text);
  walk(document, (value) => assert.deepEqual(Object.keys(value), Object.keys(value).sort()));
});

test("every operation's messages and its reply's point into their channels", () => {
  for (const [key, operation] of Object.entries(document.operations)) {
    for (const { channel, messages } of [operation, operation.reply].filter(Boolean)) {
      assert(at(channel.$ref), key);
      assert(messages.length > 0, key);
      for (const { $ref } of messages) {
        assert($ref.startsWith(`${channel.$ref}/messages/`), key);
        assert(at(at($ref).$ref), key);
      }
    }
  }
});

// protocol: D11
test("a client's requests are received, and the server's updates are sent", () => {
  const actions = (key) => document.operations[key].action;
  assert.equal(actions("simple.ping"), "receive");
  assert.equal(actions("bars.update"), "send");
  assert(Object.values(document.operations).every(({ action, reply }) => action === "receive" || !reply));
});

test("every component has a key that AsyncAPI allows, and every schema a title and an id", () => {
  const { messages, schemas } = document.components;
  for (const key of [...Object.keys(messages), ...Object.keys(schemas)]) {
    assert.match(key, /^[A-Za-z0-9._-]+$/);
  }
  const named = [...Object.values(schemas), ...Object.values(messages).map(({ payload }) => payload)];
  for (const schema of named) {
    assert(schema.title && schema.$id, JSON.stringify(schema));
  }
  assert.equal(new Set(named.map(({ $id }) => $id)).size, named.length);
});

test("each operation and channel says what it is for", () => {
  for (const [key, { summary, tags }] of Object.entries(document.operations)) {
    assert(summary, key);
    // It answers requests of every tag.
    assert(key === "error" || tags?.length, key);
  }
  for (const [key, { address, parameters = {} }] of Object.entries(document.channels)) {
    const inAddress = [...address.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    assert.deepEqual(Object.keys(parameters), inAddress.sort(), key);
    Object.values(parameters).forEach(({ description }) => assert(description, key));
  }
});

// protocol: E22 E23
test("beside every update there is the gap that may stand for it, and beside all the error", () => {
  const sent = Object.entries(document.operations).filter(([, { action }]) => action === "send");
  const updates = sent.filter(([key]) => !/(^|[.])(gap|error)$/.test(key));
  assert(updates.length >= 5, `${updates.length} kinds of updates`);
  for (const [key, { channel }] of updates) {
    const gap = document.operations[`${key.slice(0, key.lastIndexOf(".") + 1)}gap`];
    assert.deepEqual(gap?.channel, channel, key);
    const { properties } = at(at(gap.messages[0].$ref).$ref).payload;
    assert.deepEqual(Object.keys(properties).sort(), ["payload", "topic", "type"], key);
    assert.deepEqual([...properties.payload.required].sort(), ["dropped", "topic"], key);
  }
  assert.equal(document.operations.error.action, "send");
});

test("whatever the server says is described, with all its members", async () => {
  const { messages, schemas } = structuredClone(document.components);
  // A handler that answers for a route of its choice says besides what that route says.
  delete schemas.SubscriptionResponse.properties;
  walk({ messages, schemas }, (value) => {
    if (value.type === "object" && value.properties) value.additionalProperties ??= false;
  });
  const validate = validators({ messages, schemas });
  const requests = Object.values(document.operations).filter(({ action }) => action === "receive");
  const examples = requests.flatMap(({ messages: [{ $ref }] }) => {
    const { name, examples = [{ payload: { type: name } }] } = at(at($ref).$ref);
    return examples.map(({ payload }) => ({ ...payload, id: name }));
  });
  const mistakes = [{ type: "nothing", id: 1 }, { type: "simple.ping", payload: [] }, { type: 1 }];
  const due = new Set(["error", "bars.update", "quotes.update", "candles.subscribe.response", "simple.pong"]);
  await converse([...mistakes, ...examples], (message) => {
    const key = message.type;
    assert(validate[key]?.(message), JSON.stringify([message, validate[key]?.errors]));
    due.delete(key);
    return due.size === 0;
  });
});

/** Says all this to a server of its own, and hears its answers until `hear` has heard enough. */
async function converse(said, hear) {
  const child = spawn(server, ["--listen", "127.0.0.1:0", "--seed", "1", "--on-error", "reply"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    let address;
    for await (const line of createInterface({ input: child.stdout })) {
      address = /^listening on http:\/\/(\S+)$/.exec(line)?.[1];
      if (address) break;
    }
    const socket = new WebSocket(`ws://${address}/ws`);
    await once(socket, "open");
    said.forEach((message) => socket.send(JSON.stringify(message)));
    await new Promise((resolve, reject) => {
      socket.on("close", (code, reason) => reject(new Error(`closed with ${code} ${reason}`)));
      socket.on("message", (data) => {
        try {
          if (hear(JSON.parse(data))) resolve();
        } catch (error) {
          reject(error);
        }
      });
    });
  } finally {
    child.kill("SIGKILL");
    await once(child, "exit");
  }
}

test("each example fits its own message and no other", () => {
  const validate = validators(document.components);
  let examples = 0;
  for (const [key, message] of Object.entries(document.components.messages)) {
    for (const { payload } of message.examples ?? []) {
      examples += 1;
      const fitting = Object.keys(validate).filter((other) => validate[other](payload));
      assert.deepEqual(fitting, [key], JSON.stringify(payload));
    }
  }
  assert(examples >= 10, `${examples} examples`);
});

const pointer = (key) => key.replaceAll("~", "~0").replaceAll("/", "~1");

/** Tells for each message whether a value is one. */
function validators(components) {
  const ajv = new Ajv({ strict: false, validateFormats: false });
  const resolved = structuredClone(components);
  // References are looked up in the whole document, not under the id of the schema that they are in.
  walk(resolved, (value) => delete value.$id);
  const compile = (key) =>
    ajv.compile({ $ref: `#/components/messages/${pointer(key)}/payload`, components: resolved });
  return Object.fromEntries(Object.keys(resolved.messages).map((key) => [key, compile(key)]));
}

/** What a reference within the document names. */
function at($ref) {
  assert($ref.startsWith("#/"), $ref);
  return $ref.slice(2).split("/").reduce((value, key) => value?.[key], document);
}

/** Visits every object. */
function walk(value, visit) {
  if (value === null || typeof value !== "object") return;
  if (!Array.isArray(value)) visit(value);
  Object.values(value).forEach((inner) => walk(inner, visit));
}
