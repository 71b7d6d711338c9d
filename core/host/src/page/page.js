// Puts the page together: operations, one of them to read and to try, and the console.

const connection = new Connection();
const memory = storage();
const THEME = 'fastws-theme';
let api;
let log;

listen();
try {
  api = await load(document.documentElement.dataset.asyncapi);
  log = new Console(new Streams(), ({ type, payload }) => send(JSON.stringify({ type, payload })));
  introduce();
} catch (error) {
  find('article').replaceChildren(make('h2', {}, 'The document could not be read'), make('p', {}, error.message));
}

function listen() {
  if (memory[THEME]) document.documentElement.dataset.theme = memory[THEME];
  tellTheme();
  connection.addEventListener('state', ({ detail }) => tellState(detail));
  connection.addEventListener('message', ({ detail }) => log?.hear(detail));
  find('connection').addEventListener('submit', (event) => {
    event.preventDefault();
    if (connection.state === 'open' || connection.state === 'connecting') connection.close();
    else connect().catch(() => {});
  });
  document.querySelector('.skip').addEventListener('click', (event) => {
    event.preventDefault();
    find('article').focus();
  });
  find('theme').addEventListener('click', () => {
    memory[THEME] = isDark() ? 'light' : 'dark';
    document.documentElement.dataset.theme = memory[THEME];
    tellTheme();
  });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', tellTheme);
  find('search').addEventListener('input', sift);
  find('search').addEventListener('keydown', ({ key }) => key === 'Enter' && find('groups').querySelector('li:not([hidden]) a')?.click());
  find('views').addEventListener('click', ({ target }) => target.dataset.to && view(target.dataset.to));
  document.addEventListener('keydown', shortcut);
}

function introduce() {
  find('version').textContent = api.info.version ?? '';
  find('paths').append(...api.paths.map((path) => make('option', { value: path })));
  find('path').value = api.paths[0] ?? '/ws';
  find('groups').append(...[...api.groups].map(([tag, operations]) => make('section', {},
    make('h2', {}, tag), make('ul', {}, operations.map(link)))));
  addEventListener('hashchange', turn);
  turn();
}

function link({ key, name, isRequest }) {
  return make('li', {}, make('a', { href: `#${encodeURIComponent(key)}`, click: () => view('article') },
    make('span', { class: 'mark', 'aria-hidden': 'true' }, isRequest ? '↑' : '↓'), name,
    make('span', { class: 'hidden' }, isRequest ? 'request' : 'update')));
}

/** Shows what the address names. */
function turn() {
  const key = decodeURIComponent(location.hash.slice(1));
  const operation = api.operations.find((one) => one.key === key);
  for (const one of find('groups').querySelectorAll('a')) {
    const isHere = operation && one.hash === `#${encodeURIComponent(key)}`;
    if (isHere) one.setAttribute('aria-current', 'page');
    else one.removeAttribute('aria-current');
  }
  find('article').replaceChildren(...(operation ? article(operation) : overview()));
  find('article').scrollTop = 0;
}

function overview() {
  const { title, version, description, license, contact } = api.info;
  const facts = [
    ['Version', version], ['WebSocket', api.paths.join(', ')], ['License', outward(license?.url, license?.name)],
    ['Contact', outward(contact?.url ?? (contact?.email && `mailto:${contact.email}`), contact?.name ?? contact?.email)],
    ['Operations', `${api.operations.filter(({ isRequest }) => isRequest).length} requests, `
      + `${api.operations.filter(({ isRequest }) => !isRequest).length} updates`],
  ].filter(([, fact]) => fact);
  return [
    make('h2', {}, title ?? ''), ...prose(description),
    make('dl', { class: 'facts' }, facts.flatMap(([name, fact]) => [make('dt', {}, name), make('dd', {}, fact)])),
    ...[...api.groups].map(([tag, operations]) => make('section', { class: 'reference' },
      make('h3', {}, tag), prose(api.info.tags?.find(({ name }) => name === tag)?.description),
      make('dl', { class: 'facts' }, operations.flatMap(({ key, name, lead }) => [
        make('dt', {}, make('a', { href: `#${encodeURIComponent(key)}`, class: 'code' }, name)), make('dd', {}, inline(lead))])))),
  ];
}

function outward(url, words = url) {
  return /^(https?:|mailto:)/.test(url ?? '') ? make('a', { href: url, rel: 'noreferrer' }, words) : words;
}

function article(operation) {
  const { name, lead, description, isRequest, messages, replies } = operation;
  return [
    make('p', { class: 'kind' }, isRequest ? '↑ Request, you send it' : '↓ Update, the server sends it'),
    make('h2', { class: 'code' }, name),
    ...prose(lead), ...(description === lead ? [] : prose(description)),
    ...(isRequest ? [new Composer(api, operation, submit).element] : topics(operation)),
    ...messages.map((message) => reference(isRequest ? 'Request' : 'Update', message)),
    ...replies.map((message) => reference('Reply', message)),
    ...updatesOf(operation).map((message) => reference('Update', message)),
  ];
}

/** Which topics an update may have. */
function topics({ channel: { address, parameters = {} } }) {
  if (!address || address.startsWith('/')) return [];
  const facts = Object.entries(parameters).flatMap(([name, parameter]) => [
    make('dt', {}, make('code', {}, name)), make('dd', {}, inline(api.resolve(parameter).description ?? ''))]);
  return [make('section', { class: 'reference' }, make('h3', {}, 'Topic ', make('code', {}, address)), make('dl', { class: 'facts' }, facts))];
}

/** What a subscription brings. */
function updatesOf({ name, tags, isRequest }) {
  const before = name.replace(/subscribe$/, '');
  if (!isRequest || before === name || before.endsWith('un')) return [];
  return api.operations.filter((one) => !one.isRequest && one.name.startsWith(before) && one.tags[0] === tags[0])
    .flatMap(({ messages }) => messages);
}

function reference(word, { name, payload, description, examples }) {
  return make('section', { class: 'reference' },
    make('h3', {}, word, ' ', make('code', {}, name ?? '')),
    prose(description ?? (payload && api.plain(payload).description)),
    payload === undefined ? make('p', { class: 'muted' }, 'Without a payload.') : tree(api, payload) ?? make('p', { class: 'type' }, api.words(payload)),
    examples.map((example) => make('figure', {}, make('figcaption', {}, 'Example'), code(written(example)))));
}

/** On a phone the answer is elsewhere. */
function submit(text) {
  view('console');
  return send(text);
}

/** Connects first where nobody has. */
async function send(text) {
  try {
    await connect();
    connection.send(text, asked(text));
  } catch {
    // The state says so already.
  }
}

/** What a text asks, whoever wrote it. */
function asked(text) {
  try {
    const { type, payload } = parse(text);
    const replies = api.find(type)?.replies.map(({ name }) => name) ?? [];
    const opposite = api.find(String(type).replace(/subscribe$/, 'unsubscribe'))?.name;
    return { type, payload, replies, opposite: opposite === type ? undefined : opposite };
  } catch {
    return { type: 'unreadable', replies: [] };
  }
}

function connect() {
  const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
  return connection.open(`${scheme}://${location.host}${find('path').value}`);
}

function tellState({ state, words }) {
  find('state').dataset.state = state;
  find('state').textContent = words;
  find('state').title = words;
  find('connect').textContent = { idle: 'Connect', connecting: 'Cancel', open: 'Disconnect', closed: 'Reconnect' }[state];
  find('connect').classList.toggle('primary', state !== 'open');
}

function isDark() {
  const { theme } = document.documentElement.dataset;
  return theme ? theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
}

function storage() {
  // Browsers that may keep nothing throw at the mere mention.
  try { return localStorage; } catch { return {}; }
}

function tellTheme() {
  find('theme').setAttribute('aria-pressed', isDark());
}

function sift() {
  const wanted = find('search').value.toLowerCase();
  for (const group of find('groups').children) {
    for (const item of group.querySelectorAll('li')) item.hidden = !item.textContent.toLowerCase().includes(wanted);
    group.hidden = group.querySelector('li:not([hidden])') === null;
  }
}

/** On a phone one part is seen at a time. */
function view(name) {
  document.body.dataset.view = name;
  for (const button of find('views').children) button.setAttribute('aria-pressed', button.dataset.to === name);
}

function shortcut(event) {
  if (event.key !== '/' || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.matches('input, textarea, select')) return;
  event.preventDefault();
  view('operations');
  find('search').focus();
}
