// Fields for a value that a schema describes. Knows elements; no operation, no socket.
//
// A field is { element, read }; `read` gives undefined for what is left out.

class Fields {
  #ids = 0;

  constructor(api) {
    this.api = api;
  }

  field(name, schema, value, isRequired, depth = 0, isInner = false) {
    const plain = this.api.plain(schema);
    const place = { name, schema, plain, value, isRequired, depth, isInner };
    if (plain.const !== undefined) return this.#fixed(place);
    if (plain.enum) return this.#choice(place, plain.enum);
    if (plain.type === 'boolean') return this.#choice(place, [true, false]);
    if (plain.variants) return plain.variants.every((variant) => this.#isSimple(variant)) ? this.#free(place) : this.#variants(place);
    if (plain.type === 'string') return this.#string(place);
    if (plain.type === 'integer' || plain.type === 'number') return this.#number(place);
    if (plain.type === 'array') return this.#list(place);
    if (isMap(plain)) return this.#map(place);
    if (plain.type !== 'object') return this.#free(place);
    return isRequired && !plain.nullable ? this.#object(place) : this.#variants({ ...place, plain: { ...plain, variants: [{ ...plain, nullable: false }] } });
  }

  #isSimple(schema) {
    const { type, const: constant } = this.api.plain(schema);
    return constant === undefined && ['string', 'integer', 'number', 'boolean'].includes(type);
  }

  #fixed({ name, plain }) {
    const element = this.#labelled({ name, plain }, make('input', { value: JSON.stringify(plain.const), readonly: true }));
    return { element, read: () => plain.const };
  }

  #choice(place, values) {
    const { isRequired, plain, value } = place;
    const options = values.map((one) => make('option', { value: JSON.stringify(one), selected: one === value }, String(one)));
    if (!isRequired || plain.nullable) options.unshift(make('option', { value: '', selected: value == null }, 'not set'));
    const select = make('select', {}, options);
    return { element: this.#labelled(place, select), read: () => (select.value ? JSON.parse(select.value) : blank(place)) };
  }

  #string(place) {
    const input = make('input', { value: place.value ?? '', spellcheck: 'false', autocomplete: 'off' });
    const isKept = place.isRequired && !place.plain.nullable;
    return { element: this.#labelled(place, input), read: () => input.value || (isKept ? '' : blank(place)) };
  }

  /** What is no number is sent as it is, so that one can see what the server says to it. */
  #number(place) {
    const { plain, value } = place;
    const fits = plain.type === 'integer' ? /^-?\d+$/ : /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/;
    const input = make('input', { value: value?.rawJSON ?? value ?? '', inputmode: 'decimal', autocomplete: 'off' });
    input.addEventListener('input', () => input.setAttribute('aria-invalid', input.value !== '' && !fits.test(input.value)));
    return {
      element: this.#labelled(place, input),
      read: () => {
        if (input.value === '') return blank(place);
        return fits.test(input.value) ? exact(input.value) : input.value;
      },
    };
  }

  /** JSON where it is JSON, and a string where it is not. */
  #free(place) {
    const { value } = place;
    const shown = typeof value === 'string' ? value : written(value ?? undefined) ?? '';
    const input = make('input', { value: shown, spellcheck: 'false', autocomplete: 'off' });
    const read = () => {
      try { return parse(input.value); } catch { return input.value || blank(place); }
    };
    return { element: this.#labelled(place, input), read };
  }

  #object(place) {
    const { plain, value, depth } = place;
    const members = this.api.members(plain)
      .map(([name, schema, needed]) => [name, this.field(name, schema, value?.[name], needed, depth + 1)]);
    const read = () => Object.fromEntries(members.map(([name, field]) => [name, field.read()]).filter(([, part]) => part !== undefined));
    return { element: this.#grouped(place, members.map(([, field]) => field.element)), read };
  }

  #map(place) {
    const { plain, value, depth } = place;
    const schema = typeof plain.additionalProperties === 'object' ? plain.additionalProperties : {};
    const member = ([name, part]) => {
      const key = make('input', { value: name, 'aria-label': `Name in ${place.name}`, placeholder: 'name', spellcheck: 'false' });
      const field = this.field('value', schema, part, true, depth + 1);
      return { element: make('div', { class: 'pair' }, key, field.element), read: () => [key.value, field.read()] };
    };
    const rows = this.#rows(place, Object.entries(value ?? {}), member, ['', this.api.least(schema)]);
    const read = () => {
      const set = rows.read().filter(([name, part]) => name !== '' && part !== undefined);
      return set.length > 0 || place.isRequired ? Object.fromEntries(set) : blank(place);
    };
    return { element: rows.element, read };
  }

  #list(place) {
    const items = place.plain.items ?? {};
    const member = (part) => this.field('item', items, part, true, place.depth + 1);
    const rows = this.#rows(place, [place.value ?? []].flat(), member, this.api.least(items));
    const read = () => {
      const set = rows.read();
      return set.length > 0 || place.isRequired ? set : blank(place);
    };
    return { element: rows.element, read };
  }

  #variants(place) {
    const { plain, value, depth } = place;
    const names = plain.variants.map((variant) => this.api.plain(variant).title ?? this.api.words(variant));
    const select = make('select', {}, names.map((name, at) => make('option', { value: at }, name)));
    const slot = make('div');
    let chosen;
    const choose = (given) => {
      const variant = plain.variants[select.value];
      chosen = this.field(place.name, variant, given ?? this.api.least(variant), true, depth + 1, true);
      slot.replaceChildren(chosen.element);
    };
    const fits = value == null ? -1 : plain.variants.findIndex((variant) => hasShape(this.api.plain(variant), value));
    if (!place.isRequired || plain.nullable) select.prepend(make('option', { value: '' }, 'not set'));
    select.value = fits < 0 ? select.options[0].value : fits;
    const change = (given) => (select.value === '' ? slot.replaceChildren() : choose(given));
    select.addEventListener('change', () => change());
    change(value);
    const element = make('div', { class: 'fields' }, this.#labelled(place, select), slot);
    return { element, read: () => (select.value === '' ? blank(place) : chosen.read()) };
  }

  #rows(place, values, member, sample) {
    const list = make('div', { class: 'rows' });
    const rows = new Map();
    const add = (value) => {
      const row = member(value);
      const drop = make('button', { type: 'button', class: 'quiet', 'aria-label': `Remove from ${place.name}`, click: () => {
        rows.delete(line);
        line.remove();
        more.focus();
      } }, '×');
      const line = make('div', { class: 'row' }, row.element, drop);
      rows.set(line, row);
      list.append(line);
      return line;
    };
    const more = make('button', { type: 'button', class: 'small', click: () => add(sample).querySelector('input, select')?.focus() },
      `Add to ${place.name}`);
    values.forEach(add);
    return { element: this.#grouped(place, [list, more]), read: () => [...rows.values()].map((row) => row.read()) };
  }

  #labelled({ name, schema, plain, isRequired }, input) {
    const id = `field-${this.#ids += 1}`;
    input.id = id;
    const hint = make('span', { class: 'type' }, schema ? this.api.words(schema) : 'fixed');
    const label = make('label', { for: id }, make('code', {}, name), hint, isRequired ? make('span', { class: 'required' }, 'required') : '');
    return make('div', { class: 'field' }, label, input, prose(plain.description));
  }

  #grouped({ name, schema, plain, isRequired, depth, isInner }, children) {
    if (isInner) return make('fieldset', { 'aria-label': name, class: 'inner' }, children);
    if (depth === 0 && plain.type === 'object' && !isMap(plain)) return make('div', { class: 'fields' }, children);
    const legend = make('legend', {}, make('code', {}, name), make('span', { class: 'type' }, this.api.words(schema)),
      isRequired ? make('span', { class: 'required' }, 'required') : '');
    return make('fieldset', {}, legend, prose(plain.description), children);
  }
}

/** What an empty field stands for. */
function blank({ plain, isRequired }) {
  return plain.nullable && isRequired ? null : undefined;
}

function exact(text) {
  return JSON.rawJSON ? JSON.rawJSON(text) : Number(text);
}

function hasShape({ type, const: constant, properties = {}, required = [] }, value) {
  if (constant !== undefined) return constant === value;
  if (type === 'array') return Array.isArray(value);
  if (type !== 'object') return typeof value === (type === 'integer' ? 'number' : type);
  return typeof value === 'object' && required.every((name) => name in value)
    && Object.entries(properties).every(([name, { const: tag }]) => tag === undefined || value[name] === tag);
}
