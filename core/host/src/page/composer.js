// A message in the making: a form and a text that say the same. Knows elements and schemas; no socket.

class Composer {
  #api;
  #operation;
  #text;
  #slot = make('div');
  #note = make('p', { class: 'note', role: 'status' });
  #form = make('button', { type: 'button', click: () => this.#choose(true) }, 'Form');
  #json = make('button', { type: 'button', click: () => this.#choose(false) }, 'JSON');

  /** `send` gets the text as it shall be sent. */
  constructor(api, operation, send) {
    this.#api = api;
    this.#operation = operation;
    const word = { subscribe: 'Subscribe', unsubscribe: 'Unsubscribe' }[operation.name.split('.').at(-1)] ?? 'Send';
    this.element = make('form', {
      class: 'composer',
      'aria-label': `Try ${operation.name}`,
      submit: (event) => {
        event.preventDefault();
        send(this.#text());
      },
      keydown: ({ key, ctrlKey, metaKey }) => key === 'Enter' && (ctrlKey || metaKey) && this.element.requestSubmit(),
    },
    make('div', { class: 'bar' }, make('h3', {}, 'Try it'),
      make('div', { class: 'switch', role: 'group', 'aria-label': 'Write as' }, this.#form, this.#json)),
    this.#slot, this.#note,
    make('div', { class: 'bar' }, make('button', { class: 'primary' }, word), make('span', { class: 'muted keys' }, 'Ctrl Enter')));
    this.#fill(operation.messages[0].examples[0].payload);
    this.#press(true);
  }

  #choose(isForm) {
    try {
      if (isForm) this.#fill(parse(this.#text()).payload);
      else this.#spell();
    } catch (error) {
      this.#note.textContent = `This is no JSON yet: ${error.message}`;
      return;
    }
    this.#press(isForm);
  }

  #fill(value) {
    const { name, messages: [{ payload }] } = this.#operation;
    const field = payload === undefined ? undefined : new Fields(this.#api).field('payload', payload, value, true);
    this.#slot.replaceChildren(field?.element ?? make('p', { class: 'muted' }, 'Nothing to fill in.'));
    this.#text = () => JSON.stringify({ type: name, payload: field?.read() });
  }

  #spell() {
    const area = make('textarea', { 'aria-label': 'Message as JSON', spellcheck: 'false', rows: '9' }, written(parse(this.#text())));
    this.#slot.replaceChildren(area);
    this.#text = () => area.value;
  }

  #press(isForm) {
    this.#note.textContent = '';
    this.#form.setAttribute('aria-pressed', isForm);
    this.#json.setAttribute('aria-pressed', !isForm);
  }
}
