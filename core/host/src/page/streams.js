// What this page listens to, and the numbers that came. Knows replies and updates; no element, no socket.

class Streams extends EventTarget {
  all = new Map();

  /** Learns from a message: what began, what ended, which numbers moved. */
  hear(message) {
    if (message.kind === 'reply') this.#settle(message);
    else if (message.kind === 'update') this.#update(message);
    else if (message.kind === 'closed') this.#end([...this.all.keys()]);
  }

  forget() {
    for (const [name, { isLive }] of this.all) if (!isLive) this.all.delete(name);
    for (const stream of this.all.values()) Object.assign(stream, { count: 0, points: [] });
    this.#changed();
  }

  #settle({ payload, request }) {
    if (payload?.status === 'error') return;
    if (/unsubscribe|clear/.test(request.type)) return this.#end([payload?.topic, ...strings(payload)]);
    if (!/subscribe/.test(request.type)) return;
    for (const topic of [payload?.topic, payload?.topics].flat()) {
      if (typeof topic !== 'string') continue;
      const { opposite } = request;
      Object.assign(this.#stream(topic), { isLive: true }, opposite && { request });
    }
    this.#changed();
  }

  #update({ type, topic, payload, when }) {
    if (type.endsWith('.error') && payload?.recoverable === false) return this.#end([payload.topic]);
    // A route may name the topic inside the payload.
    const name = topic ?? (typeof payload?.topic === 'string' ? payload.topic : type);
    const isNew = !this.all.has(name);
    const stream = this.#stream(name);
    const numbers = numbersOf(payload);
    const hadFields = stream.points.length > 0;
    stream.isLive = true;
    stream.count += 1;
    stream.points.push({ when, numbers });
    if (stream.points.length > KEPT_POINTS) stream.points.shift();
    if (isNew || !hadFields) this.#changed();
  }

  #end(topics) {
    for (const topic of topics) if (this.all.has(topic)) this.all.get(topic).isLive = false;
    this.#changed();
  }

  #stream(name) {
    if (!this.all.has(name)) {
      if (this.all.size >= KEPT_STREAMS) this.all.delete(this.all.keys().next().value);
      this.all.set(name, { name, count: 0, points: [], isLive: true });
    }
    return this.all.get(name);
  }

  #changed() {
    this.dispatchEvent(new Event('change'));
  }
}

/** Every number in a value by its path, as far as a chart can offer them. */
function numbersOf(value, path = '', found = {}) {
  if (typeof value === 'number') found[path || 'value'] = value;
  else if (typeof value === 'object' && value !== null) {
    for (const [name, part] of Object.entries(value)) {
      if (Object.keys(found).length >= KEPT_FIELDS) break;
      numbersOf(part, path ? `${path}.${name}` : name, found);
    }
  }
  return found;
}

function strings(value) {
  if (typeof value === 'string') return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(strings) : [];
}

const KEPT_STREAMS = 100;
const KEPT_POINTS = 600;
const KEPT_FIELDS = 24;
