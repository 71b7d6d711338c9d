// How values, schemas and texts look. Knows elements; no operation, no socket.

/** An element; attributes that are functions listen, children that are strings stay text. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') element.addEventListener(name, value);
    else if (value !== undefined && value !== false) element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.flat().filter((child) => child !== undefined && child !== ''));
  return element;
}

const find = (id) => document.getElementById(id);

/** Parses, and keeps numbers as they were written where this browser can. */
function parse(text) {
  return JSON.parse(text, (_, value, context) => {
    const isExact = typeof value !== 'number' || !context?.source || String(value) === context.source;
    return isExact ? value : JSON.rawJSON(context.source);
  });
}

/** JSON for people: what fits a line stays in one. */
function written(value, margin = '') {
  if (typeof value !== 'object' || value === null || JSON.isRawJSON?.(value)) return JSON.stringify(value);
  const isList = Array.isArray(value);
  const inner = `${margin}  `;
  const parts = Object.entries(value)
    .map(([key, part]) => (isList ? '' : `${JSON.stringify(key)}: `) + written(part, inner));
  const [open, close] = isList ? '[]' : '{}';
  const line = open + parts.join(', ') + close;
  if (line.length <= 56 && !line.includes('\n')) return line;
  return `${open}\n${inner}${parts.join(`,\n${inner}`)}\n${margin}${close}`;
}

/** A block of JSON in colours. */
function code(text) {
  const parts = text.split(/("(?:[^"\\]|\\.)*"(?:\s*:)?|[\w.+-]+)/);
  const colour = (part) => {
    if (part.endsWith(':')) return 'key';
    return part.startsWith('"') ? 'string' : 'literal';
  };
  const spans = parts.map((part, at) => (at % 2 ? make('span', { class: colour(part) }, part) : part));
  return make('pre', { tabindex: '0' }, spans);
}

/** Paragraphs with `code` in them; other Markdown stays as it is written. */
function prose(text = '') {
  return text.split(/\n\s*\n/).filter((part) => part.trim()).map((part) => make('p', {}, inline(part)));
}

function inline(text) {
  return text.split('`').map((run, at) => (at % 2 ? make('code', {}, run) : run));
}

/** A schema's members, as deep as it goes. */
function tree(api, schema, above = []) {
  const plain = api.plain(schema);
  if (plain.variants) return variants(api, plain, above);
  if (plain.type === 'array') return tree(api, plain.items ?? {}, above);
  const rows = api.members(plain).map(([name, member, isRequired]) => row(api, name, member, isRequired, above));
  if (plain.additionalProperties) rows.push(row(api, 'any name', plain.additionalProperties, false, above));
  return rows.length > 0 ? make('ul', { class: 'schema' }, rows) : undefined;
}

function variants(api, { variants: list }, above) {
  const items = list.map((variant) => make('li', {},
    make('span', { class: 'type' }, `either ${api.plain(variant).title ?? api.words(variant)}`),
    tree(api, variant, above)));
  return make('ul', { class: 'schema' }, items);
}

function row(api, name, schema, isRequired, above) {
  const plain = api.plain(schema);
  const target = plain.items ?? schema;
  const references = [target.$ref, plain.additionalProperties?.$ref].filter(Boolean);
  const recurs = references.some((reference) => above.includes(reference));
  return make('li', {},
    make('code', {}, name), ' ',
    make('span', { class: 'type' }, api.words(schema)),
    isRequired ? make('span', { class: 'required' }, 'required') : '',
    bounds(plain).map((bound) => make('span', { class: 'bound' }, bound)),
    prose(plain.description),
    recurs ? make('p', { class: 'muted' }, 'the same again') : tree(api, schema, [...above, ...references]));
}

function bounds(plain) {
  const named = [['default', 'default'], ['minimum', 'at least'], ['maximum', 'at most'], ['minLength', 'length at least'],
    ['maxLength', 'length at most'], ['minItems', 'items at least'], ['maxItems', 'items at most'], ['pattern', 'pattern']];
  return named.filter(([member]) => plain[member] !== undefined && plain[member] !== null)
    .map(([member, words]) => `${words} ${JSON.stringify(plain[member])}`);
}

function bytes(count) {
  if (count < 1000) return `${count} B`;
  return count < 1e6 ? `${(count / 1000).toFixed(1)} kB` : `${(count / 1e6).toFixed(1)} MB`;
}

function clock(date, digits = 3) {
  const part = (number, length) => String(number).padStart(length, '0');
  const whole = [date.getHours(), date.getMinutes(), date.getSeconds()].map((number) => part(number, 2)).join(':');
  return digits ? `${whole}.${part(date.getMilliseconds(), 3).slice(0, digits)}` : whole;
}

/** A reading as it is best read: as few digits as tell it. */
function figure(value) {
  return Number(value.toPrecision(9)).toLocaleString('en-US', { maximumFractionDigits: 6 });
}
