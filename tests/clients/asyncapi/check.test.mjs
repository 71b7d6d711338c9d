// Holds the server's AsyncAPI document against the official parser, and against what the parser does not check.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { Parser } from "@asyncapi/parser";
import Ajv from "ajv";

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
    assert(tags?.length, key);
  }
  for (const [key, { address, parameters = {} }] of Object.entries(document.channels)) {
    const inAddress = [...address.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    assert.deepEqual(Object.keys(parameters), inAddress.sort(), key);
    Object.values(parameters).forEach(({ description }) => assert(description, key));
  }
});

test("each example fits its own message and no other", () => {
  const ajv = new Ajv({ strict: false, validateFormats: false });
  const resolved = structuredClone(document.components);
  // References are looked up in the whole document, not under the id of the schema that they are in.
  walk(resolved, (value) => delete value.$id);
  const compile = (key) =>
    ajv.compile({ $ref: `#/components/messages/${pointer(key)}/payload`, components: resolved });
  const validate = Object.fromEntries(Object.keys(resolved.messages).map((key) => [key, compile(key)]));
  let examples = 0;
  for (const [key, message] of Object.entries(resolved.messages)) {
    for (const { payload } of message.examples ?? []) {
      examples += 1;
      const fitting = Object.keys(validate).filter((other) => validate[other](payload));
      assert.deepEqual(fitting, [key], JSON.stringify(payload));
    }
  }
  assert(examples >= 10, `${examples} examples`);
});

const pointer = (key) => key.replaceAll("~", "~0").replaceAll("/", "~1");

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
