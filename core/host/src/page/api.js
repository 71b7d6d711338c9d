// What the AsyncAPI document says. Knows JSON; no element, no socket.

async function load(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${url} answered ${answer.status}`);
  return new Api(await answer.json());
}

class Api {
  constructor(root) {
    this.root = root;
    this.info = root.info ?? {};
    this.operations = Object.entries(root.operations ?? {})
      .map(([key, operation]) => this.#operation(key, this.resolve(operation)));
  }

  /** Where the server takes WebSockets. */
  get paths() {
    const servers = Object.values(this.root.servers ?? {}).map((server) => this.resolve(server));
    const channels = Object.values(this.root.channels ?? {}).map((channel) => this.resolve(channel));
    const found = [...channels.map(({ address }) => address), ...servers.map(({ pathname }) => pathname)];
    return [...new Set(found)].filter((path) => path?.startsWith('/') && path !== '/' && !path.includes('{'));
  }

  /** Operations by tag, in the document's order. */
  get groups() {
    const groups = new Map();
    for (const operation of this.operations) {
      const tag = operation.tags[0] ?? 'other';
      if (!groups.has(tag)) groups.set(tag, []);
      groups.get(tag).push(operation);
    }
    return groups;
  }

  find(name) {
    return this.operations.find((operation) => operation.name === name);
  }

  #operation(key, operation) {
    const messages = this.#messages(operation);
    return {
      key,
      messages,
      isRequest: operation.action === 'receive',
      name: messages[0]?.name ?? key,
      tags: (operation.tags ?? []).map((tag) => this.resolve(tag).name),
      lead: operation.summary ?? operation.title ?? messages[0]?.summary ?? '',
      description: operation.description ?? messages[0]?.description ?? '',
      channel: this.resolve(operation.channel ?? {}),
      replies: operation.reply ? this.#messages(this.resolve(operation.reply)) : [],
    };
  }

  #messages({ messages, channel }) {
    const listed = messages ?? Object.values(this.resolve(channel ?? {}).messages ?? {});
    return listed.map((message) => this.#message(this.resolve(message)));
  }

  /** A message's payload in AsyncAPI is the whole text; the envelope is ours, so both are told apart here. */
  #message(message) {
    const { properties = {}, examples: inSchema = [] } = this.plain(message.payload);
    const name = this.plain(properties.type).const ?? message.name;
    const { payload } = properties;
    const given = [...(message.examples ?? []).map((example) => example.payload), ...inSchema]
      .filter((example) => typeof example === 'object' && example !== null);
    const sample = payload === undefined ? { type: name } : { type: name, payload: this.sample(payload) };
    const { summary, description } = message;
    const examples = (given.length > 0 ? given : [sample]).map(({ type, ...rest }) => ({ type, ...rest }));
    return { name, payload, summary, description, examples };
  }

  /** What a local reference names, changed by what stands beside the reference. */
  resolve(node) {
    const seen = new Set();
    while (typeof node?.$ref === 'string') {
      const { $ref, ...beside } = node;
      const found = seen.has($ref) ? {} : this.#at($ref);
      seen.add($ref);
      node = typeof found === 'object' ? { ...found, ...beside } : found;
    }
    return node;
  }

  #at(reference) {
    if (!reference.startsWith('#')) return {};
    const steps = decodeURIComponent(reference).split('/').slice(1);
    return steps.reduce((node, step) => node?.[step.replaceAll('~1', '/').replaceAll('~0', '~')], this.root) ?? {};
  }

  /**
   * A schema without references, `allOf` and lists of types: `type` is one word, `nullable` says whether null is
   * allowed too, `variants` are the schemas to choose from. What lies deeper stays as it is, since it may recur.
   */
  plain(schema) {
    const { allOf = [], anyOf, oneOf, ...own } = { ...this.resolve(schema) };
    const base = allOf.map((part) => this.plain(part)).reduce(merge, {});
    const { variants: inherited, ...flat } = merge(base, own);
    const types = [flat.type ?? []].flat();
    const choices = oneOf ?? anyOf ?? inherited ?? (types.length > 1 ? types.map((type) => ({ type })) : []);
    const variants = choices.filter((choice) => !this.#isNull(choice));
    flat.nullable = base.nullable || types.includes('null') || variants.length < choices.length;
    flat.type = types.find((type) => type !== 'null') ?? (types[0] || implied(flat));
    if (variants.length === 0) return flat;
    const { title, description, nullable, ...shared } = flat;
    if (types.length > 1) delete shared.type;
    const whole = variants.map((variant) => ({ allOf: [shared, variant] }));
    if (whole.length > 1) return { ...flat, variants: whole };
    const only = this.plain(whole[0]);
    return { ...only, title: title ?? only.title, description: description ?? only.description, nullable: nullable || only.nullable };
  }

  #isNull(schema) {
    const { type, const: constant, enum: values } = { ...this.resolve(schema) };
    return type === 'null' || constant === null || (values?.length === 1 && values[0] === null);
  }

  /** An object's members as [name, schema, whether it is required], those that are first. */
  members(plain) {
    const members = Object.entries(plain.properties ?? {})
      .map(([name, schema]) => [name, schema, plain.required?.includes(name) ?? false]);
    return [...members.filter(([, , isRequired]) => isRequired), ...members.filter(([, , isRequired]) => !isRequired)];
  }

  /** The least value that fits, as far as the schema tells. */
  least(schema) {
    return this.sample(schema, SHOWN_DEPTH);
  }

  /** A value that fits, with what is optional down to some depth. */
  sample(schema, depth = 0) {
    const plain = this.plain(schema);
    const { type, variants, items, minimum } = plain;
    const given = [plain.default, plain.const, plain.examples?.[0], plain.enum?.[0]];
    const found = given.find((value) => value !== undefined);
    if (found !== undefined) return found;
    if ((plain.nullable && depth >= SHOWN_DEPTH) || depth > 2 * SHOWN_DEPTH) return null;
    if (variants) return this.sample(variants[0], depth + 1);
    switch (type) {
      case 'object': return Object.fromEntries(this.members(plain)
        .filter(([, , isRequired]) => isRequired || depth < SHOWN_DEPTH)
        .map(([name, member]) => [name, this.sample(member, depth + 1)]));
      case 'array': return items && depth < SHOWN_DEPTH ? Array(Math.min(plain.minItems || 1, 4)).fill(this.sample(items, depth + 1)) : [];
      case 'string': return '';
      case 'boolean': return false;
      case 'integer': case 'number': return minimum ?? 0;
      default: return null;
    }
  }

  /** A schema's type in words. */
  words(schema) {
    const plain = this.plain(schema);
    const orNull = plain.nullable ? ' or null' : '';
    if (plain.const !== undefined) return JSON.stringify(plain.const);
    if (plain.enum) return plain.enum.map((value) => JSON.stringify(value)).join(' | ');
    if (plain.variants) return (plain.title ?? 'one of') + orNull;
    if (plain.type === 'array') return `list of ${this.words(plain.items ?? {})}` + orNull;
    if (isMap(plain)) return 'map' + orNull;
    return (plain.format ? `${plain.type}, ${plain.format}` : plain.type ?? 'anything') + orNull;
  }
}

function merge(one, other) {
  const both = { ...one, ...other };
  if (one.properties && other.properties) both.properties = { ...one.properties, ...other.properties };
  if (one.required && other.required) both.required = [...new Set([...one.required, ...other.required])];
  return both;
}

function implied({ properties, additionalProperties, items }) {
  if (properties || additionalProperties) return 'object';
  return items ? 'array' : undefined;
}

/** Whether it is an object whose members are free. */
function isMap({ type, properties = {}, additionalProperties }) {
  return type === 'object' && Object.keys(properties).length === 0 && additionalProperties !== false;
}

const SHOWN_DEPTH = 3;
