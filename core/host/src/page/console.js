// The console: topics, chart and messages. Knows elements and what was heard; no schema.

class Console {
  #entries = [];
  #waiting = [];
  #heard = 0;
  #isPaused = false;
  #isDue = false;
  #isListed = true;
  #counters = new Map();

  constructor(streams, ask) {
    this.streams = streams;
    this.ask = ask;
    this.chart = new Chart(find('plot'), find('reading'));
    streams.addEventListener('change', () => {
      this.#isListed = false;
      this.#wish();
    });
    find('sieve').addEventListener('input', () => this.#sift());
    find('pause').addEventListener('click', () => this.#pause());
    find('clear').addEventListener('click', () => this.#clear());
    find('series').addEventListener('change', () => this.#draw());
  }

  hear(message) {
    this.#heard += 1;
    this.#waiting.push(message);
    if (this.#waiting.length > KEPT_MESSAGES) this.#waiting.shift();
    this.streams.hear(message);
    this.#wish();
  }

  /** Many messages between two frames are drawn once. */
  #wish() {
    if (this.#isDue) return;
    this.#isDue = true;
    requestAnimationFrame(() => {
      this.#isDue = false;
      this.#show();
    });
  }

  #show() {
    if (!this.#isListed) this.#list();
    if (!this.#isPaused) {
      this.#log();
      this.#draw();
    }
    for (const [stream, counter] of this.#counters) counter.textContent = stream.count.toLocaleString('en-US');
    this.#count();
  }

  #log() {
    const entries = this.#waiting.splice(0).map((message) => ({ message, element: entry(message) })).reverse();
    this.#entries.unshift(...entries);
    find('log').prepend(...entries.map(({ element }) => element));
    for (const { element } of this.#entries.splice(KEPT_MESSAGES)) element.remove();
    this.#sift(entries);
  }

  #sift(entries = this.#entries) {
    const wanted = find('sieve').value.toLowerCase();
    for (const { message: { kind, type, text }, element } of entries) {
      element.hidden = !`${kind} ${type} ${text}`.toLowerCase().includes(wanted);
    }
    this.#count();
  }

  #count() {
    const shown = this.#entries.filter(({ element }) => !element.hidden).length;
    const words = [`${shown.toLocaleString('en-US')} of ${this.#heard.toLocaleString('en-US')} shown`];
    if (this.#heard > KEPT_MESSAGES) words.push(`the newest ${KEPT_MESSAGES} are kept`);
    if (this.#isPaused) words.push(`paused, ${this.#waiting.length} waiting`);
    find('tally').textContent = this.#heard ? words.join(', ') : 'What you send and receive appears here';
  }

  #pause() {
    this.#isPaused = !this.#isPaused;
    find('pause').classList.toggle('primary', this.#isPaused);
    find('pause').textContent = this.#isPaused ? 'Resume' : 'Pause';
    this.#show();
  }

  #clear() {
    this.#entries = [];
    this.#waiting = [];
    this.#heard = 0;
    find('log').replaceChildren();
    this.streams.forget();
    this.#show();
  }

  #list() {
    this.#isListed = true;
    this.#counters.clear();
    const streams = [...this.streams.all.values()];
    const focused = document.activeElement?.dataset.topic;
    find('topics').hidden = streams.length === 0;
    find('streams').replaceChildren(...streams.map((stream) => this.#stream(stream)));
    if (focused) find('streams').querySelector(`[data-topic="${CSS.escape(focused)}"]`)?.focus();
    this.#offer(streams);
  }

  #stream(stream) {
    const { name, isLive, request } = stream;
    const counter = make('span', { class: 'count' });
    this.#counters.set(stream, counter);
    const word = isLive ? 'Unsubscribe' : 'Subscribe';
    const ask = () => this.ask({ type: isLive ? request.opposite : request.type, payload: request.payload });
    const button = make('button', { 'data-topic': name, 'aria-label': `${word} ${name}`, click: ask }, word);
    return make('li', { 'data-live': String(isLive) },
      make('code', {}, name), counter, make('span', { class: 'hidden' }, 'updates'), request ? button : '');
  }

  #offer(streams) {
    const select = find('series');
    const chosen = select.value;
    const groups = streams.map(({ name, points }) => {
      const fields = Object.keys(points.at(-1)?.numbers ?? {});
      return make('optgroup', { label: name }, fields.map((field) => make('option', { value: JSON.stringify([name, field]) }, `${name} ${field}`)));
    }).filter((group) => group.children.length > 0);
    select.replaceChildren(...groups);
    const options = [...select.options];
    const kept = options.find(({ value }) => value === chosen);
    const shown = kept ?? likeliest(options);
    if (shown) shown.selected = true;
    find('chart').hidden = options.length === 0;
    if (shown !== kept) this.#draw();
  }

  #draw() {
    const { value } = find('series');
    if (!value) return;
    const [name, field] = JSON.parse(value);
    const points = (this.streams.all.get(name)?.points ?? []).filter(({ numbers }) => field in numbers);
    this.chart.draw(`${name} ${field}`, points.map(({ when, numbers }) => ({ when, value: numbers[field] })));
  }
}

/** What somebody most likely wants to see move. */
function likeliest(options) {
  const ends = (pattern) => options.find(({ value }) => pattern.test(JSON.parse(value)[1]));
  return ends(/^(last|close|price|value)$/) ?? ends(/^(?!.*(time|stamp|date)).*$/) ?? options[0];
}

function entry({ kind, type, topic, payload, text, size: length, when, took }) {
  const meta = [took === undefined ? '' : `${took.toFixed(1)} ms`, length === undefined ? '' : bytes(length), clock(when)];
  const head = [
    make('span', { class: 'mark', title: kind, 'aria-label': kind, role: 'img' }, MARKS[kind]),
    make('span', { class: 'name' }, type, topic ? make('span', { class: 'topic' }, topic) : ''),
    make('span', { class: 'meta' }, meta.filter(Boolean).join('  ')),
    text ? make('span', { class: 'text' }, payloadIn(text).slice(0, 200)) : '',
  ];
  const isBad = type === 'error' || (kind === 'reply' && payload?.status === 'error');
  if (!text) return make('li', { 'data-kind': kind, class: 'head bad' }, head);
  const whole = make('details', { toggle: () => whole.children.length === 1 && whole.append(body(text)) },
    make('summary', { class: 'head' }, head));
  return make('li', { 'data-kind': kind, class: isBad && 'bad' }, whole);
}

/** As it was written; a preview may be a member too long. */
function payloadIn(text) {
  return text.replace(/^\{.*?"payload"\s*:\s*(.*)\}\s*$/s, '$1');
}

function body(text) {
  try {
    return code(written(parse(text)));
  } catch {
    return code(text);
  }
}

const MARKS = { sent: '↑', reply: '↓', update: '↓', closed: '×' };
const KEPT_MESSAGES = 500;
