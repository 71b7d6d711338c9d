// One WebSocket and what was asked over it. Knows the envelope and the order of replies; no element.

class Connection extends EventTarget {
  state = 'idle';
  #socket;
  #opened;
  #asked = [];

  /** Ends when it is open, and at once if it is; throws when this page was not let in. */
  open(url) {
    const isUsable = this.#socket?.readyState <= WebSocket.OPEN;
    if (!isUsable) this.#opened = this.#open(url);
    return this.#opened;
  }

  #open(url) {
    this.#change('connecting', 'Connecting');
    this.#asked = [];
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(url);
      this.#socket = socket;
      socket.onmessage = ({ data }) => this.#hear(data);
      socket.onopen = () => {
        this.#change('open', 'Connected');
        resolve();
      };
      socket.onclose = ({ code, reason }) => {
        reject(new Error(`${url} did not let this page in`));
        if (this.#socket === socket) this.#end(code, reason);
      };
    });
  }

  close() {
    this.#socket?.close(1000);
  }

  /** Sends a text as it is; `request` says what it asks, so that its reply can be told from updates. */
  send(text, request) {
    this.#socket.send(text);
    this.#asked.push({ ...request, at: performance.now() });
    this.#tell('message', { kind: 'sent', type: request.type, text, size: size(text), when: new Date() });
  }

  #hear(data) {
    const when = new Date();
    const text = typeof data === 'string' ? data : '';
    const message = { kind: 'update', type: '', text, size: text ? size(text) : data.size, when };
    try {
      const { type, topic, payload } = JSON.parse(text);
      if (typeof type !== 'string') throw new Error('it has no type');
      Object.assign(message, { type, topic, payload });
      const at = this.#asked.findIndex((request) => answers(message, request));
      if (at >= 0) {
        // Replies keep the order of requests: whoever asked before this one has none to come.
        const request = this.#asked.splice(0, at + 1).at(-1);
        Object.assign(message, { kind: 'reply', request, took: performance.now() - request.at });
      }
    } catch {
      message.type = 'unreadable';
    }
    this.#tell('message', message);
  }

  #end(code, reason) {
    const wasOpen = this.state === 'open';
    const said = reason ? `${code}: ${reason}` : String(code);
    const isPlain = code === 1000 || code === 1005;
    if (isPlain) this.#change('idle', 'Disconnected');
    else this.#change('closed', wasOpen ? `Closed ${said}` : 'Could not connect');
    this.#tell('message', { kind: 'closed', type: wasOpen ? `Closed ${said}` : 'Could not connect', text: '', when: new Date() });
  }

  #change(state, words) {
    this.state = state;
    this.#tell('state', { state, words });
  }

  #tell(event, detail) {
    this.dispatchEvent(new CustomEvent(event, { detail }));
  }
}

function answers({ type, topic, payload }, request) {
  if (topic !== undefined) return false;
  return request.replies.includes(type) || (type === 'error' && payload?.type === request.type);
}

function size(text) {
  return new TextEncoder().encode(text).length;
}
