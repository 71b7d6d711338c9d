// The trading server's page in a real browser. Knows what a reader sees and does; must not know how the page does it.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';

const { default: puppeteer } = await import('puppeteer-core').catch(() => {
  throw new Error('the package puppeteer-core is missing: run `npm ci` in tests/clients/page');
});

const LIMIT = { timeout: 60_000 };
const DESKTOP = { width: 1440, height: 900 };
const PHONE = { width: 360, height: 740, isMobile: true, hasTouch: true };

describe('the page', LIMIT, () => {
  let server;
  let browser;
  let page;
  let mistakes;

  before(async () => {
    server = await Server.start();
    browser = await puppeteer.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
  });
  after(async () => {
    await browser?.close();
    await server?.end();
  });

  beforeEach(async () => {
    const context = await browser.createBrowserContext();
    page = await context.newPage();
    mistakes = [];
    page.on('pageerror', (error) => mistakes.push(String(error)));
    page.on('console', (line) => ['error', 'warn'].includes(line.type()) && mistakes.push(line.text()));
    page.on('request', (request) => {
      const { protocol, host } = new URL(request.url());
      if (protocol !== 'data:' && host !== server.host) mistakes.push(`asked ${request.url()}`);
    });
    await page.setViewport(DESKTOP);
  });
  // Whatever a test does, the page asks nobody else and reports no error.
  afterEach(async () => {
    await page.browserContext().close();
    assert.deepEqual(mistakes, []);
  });

  test('lists the operations by tag, and shows what one takes and gives', async () => {
    await open();
    assert.deepEqual((await texts('#groups h2')).sort(), ['connection', 'market data', 'mistakes', 'other']);
    await choose('bars.subscribe');
    const shown = await text('main');
    for (const part of ['bars.subscribe', 'Request', 'Reply', 'bars.subscribe.response', 'Update', 'bars.update', 'symbol', 'params', 'volume', 'required', 'Example']) {
      assert.ok(shown.includes(part), part);
    }
    assert.ok(!shown.includes('undefined'));
  });

  test('quotes that were subscribed to by click move, in the chart too, and end by click', async () => {
    await open();
    await choose('quotes.subscribe');
    await press('Subscribe');
    await see('#state', 'Connected');
    await see('#streams', 'quotes:AAPL');
    await see('#log', 'quotes.subscribe.response');
    await see('#log', 'quotes.update');
    assert.match(await text('#log'), /\d B.*\d\d:\d\d:\d\d\.\d{3}/s);
    assert.equal(await page.$eval('#series', ({ value }) => value), '["quotes:AAPL","last"]');
    const first = await text('#reading strong');
    await page.waitForFunction((old) => document.querySelector('#reading strong').textContent !== old, MUTATION, first);
    await page.waitForFunction(() => document.querySelector('#plot .line').getAttribute('d').split('L').length > 2, MUTATION);

    await press('Unsubscribe quotes:AAPL');
    await see('#log', 'quotes.unsubscribe.response');
    await page.waitForSelector('button[aria-label="Subscribe quotes:AAPL"]');
    await press('Subscribe quotes:AAPL');
    await page.waitForSelector('button[aria-label="Unsubscribe quotes:AAPL"]');
  });

  test('a bad payload shows the code of the close, and one click connects again', async () => {
    await open();
    await choose('strict');
    await press('JSON');
    await fill('textarea', '{"type": "strict", "payload": {"value": "twelve", "name": 7}}');
    await press('Send');
    await see('#state', 'Closed 1003: Could not validate payload');
    await see('#log', 'Closed 1003: Could not validate payload');
    await press('Reconnect');
    await see('#state', 'Connected');
    await press('Disconnect');
    await see('#state', 'Disconnected');
  });

  test('a filled form is sent as its schema says, and its reply is shown with the time it took', async () => {
    await open();
    await choose('strict');
    await fill('::-p-xpath(//label[starts-with(., "value")]/following-sibling::input)', '9007199254740993');
    await fill('::-p-xpath(//label[starts-with(., "name")]/following-sibling::input)', '<b>name</b>');
    await press('Send');
    await see('#log [data-kind=reply]', 'strict.response');
    assert.match(await text('#log [data-kind=reply]'), /\d ms/);
    // Neither a large number nor markup changes on its way.
    await page.click('#log [data-kind=reply] summary');
    await see('#log [data-kind=reply] pre', '9007199254740993');
    await see('#log [data-kind=reply] pre', '<b>name</b>');
    assert.equal(await page.$('#log b'), null);
  });

  test('a pause holds messages back, and a filter shows those that fit', async () => {
    await open();
    await choose('simple.ping');
    await press('Send');
    await see('#log', 'simple.pong');
    await press('Pause');
    await press('Send');
    await see('#tally', 'paused, 2 waiting');
    assert.equal((await page.$$('#log > li')).length, 2);
    await press('Resume');
    await page.waitForFunction(() => document.querySelectorAll('#log > li').length === 4, MUTATION);
    await fill('#sieve', 'pong');
    await see('#tally', '2 of 4 shown');
    assert.equal((await page.$$('#log > li:not([hidden])')).length, 2);
    await press('Clear');
    await see('#tally', 'What you send and receive appears here');
  });

  test('of ten thousand updates the newest five hundred are kept, and all are counted', async () => {
    await page.evaluateOnNewDocument(() => {
      window.WebSocket = class extends EventTarget {
        constructor() {
          super();
          queueMicrotask(() => {
            this.onopen();
            for (let value = 0; value < 10_000; value += 1) {
              this.onmessage({ data: JSON.stringify({ type: 'dial', topic: 'dial', payload: { value } }) });
            }
          });
        }

        close() { this.onclose({ code: 1000, reason: '' }); }
      };
    });
    await open();
    await press('Connect');
    await see('#tally', '500 of 10,000 shown');
    assert.equal((await page.$$('#log > li')).length, 500);
    await see('#log > li:first-child', '9999');
    await see('#streams .count', '10,000');
    assert.ok(await page.$eval('#plot .line', (line) => line.getAttribute('d').split('L').length) <= 600);
    assert.equal(await text('#reading strong'), '9,999');
  });

  test('references, choices, nulls, maps, lists and recursion become fields and a readable schema', async () => {
    await open(ODD);
    await choose('odd');
    const shown = await text('.reference');
    for (const part of ['one of', 'either Circle', 'or null', 'list of object', 'the same again', 'at least 1', 'A leaf or a branch.']) {
      assert.ok(shown.includes(part), part);
    }
    await press('Add to labels');
    await fill('[aria-label="Name in labels"]', 'colour');
    await fill('.pair .field input', 'red');
    await press('Add to children');
    await press('JSON');
    assert.deepEqual(JSON.parse(await page.$eval('textarea', ({ value }) => value)), {
      type: 'odd',
      payload: {
        name: 'root',
        size: 3,
        figure: { kind: 'circle', radius: 1 },
        maybe: null,
        children: [{ name: 'leaf', figure: { kind: 'circle', radius: 0 }, maybe: null }],
        labels: { colour: 'red' },
      },
    });
    await press('Form');
    await page.select('select', '1');
    await press('JSON');
    assert.deepEqual(JSON.parse(await page.$eval('textarea', ({ value }) => value)).payload.figure, { kind: 'square', side: 2 });
  });

  test('everything is reached by Tab, shows its focus, and has a name', async () => {
    await open();
    await choose('orderbook.subscribe');
    await press('Subscribe');
    await see('#log', 'orderbook.update');
    await press('Pause');
    // By keyboard, so that the focus shows.
    await page.keyboard.press('/');
    await page.focus('.skip');
    const seen = new Set();
    for (;;) {
      const here = await page.evaluate(() => {
        const { activeElement: element } = document;
        element.dataset.seen = 'yes';
        const isNamed = [element.ariaLabel, element.textContent, element.labels?.[0]?.textContent].some((name) => name?.trim());
        return { isBody: element === document.body, html: element.outerHTML.slice(0, 90), isNamed, outline: getComputedStyle(element).outlineStyle };
      });
      if (here.isBody) break;
      assert.ok(here.isNamed, `has a name: ${here.html}`);
      assert.notEqual(here.outline, 'none', `shows its focus: ${here.html}`);
      seen.add(here.html);
      await page.keyboard.press('Tab');
    }
    const missed = await page.$$eval('a, button, input, select, textarea, summary', (all) => all
      .filter((element) => element.checkVisibility() && !element.dataset.seen).map((element) => element.outerHTML.slice(0, 90)));
    assert.deepEqual(missed, []);
    assert.ok(seen.size > 30);
  });

  test('landmarks are there, the state is told as it changes, and a slash goes to the filter', async () => {
    await open();
    for (const landmark of ['header', 'nav[aria-label]', 'main', 'section[aria-label="Console"]', 'h1', '#state[aria-live=polite]']) {
      assert.ok(await page.$(landmark), landmark);
    }
    await page.keyboard.press('/');
    await page.keyboard.type('quo');
    assert.deepEqual((await texts('#groups li:not([hidden]) a')).filter((name) => !name.includes('quotes')), []);
    await page.keyboard.press('Enter');
    await see('main h2', 'quotes.');
    assert.ok(await page.$('#groups [aria-current=page]'));
  });

  test('it is light or dark as the reader asked, and the choice is kept', async () => {
    const isDark = () => page.evaluate(() => /\(1?\d, 1?\d, \d+\)/.test(getComputedStyle(document.body).backgroundColor));
    await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: 'dark' }]);
    await open();
    assert.equal(await isDark(), true);
    await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: 'light' }]);
    assert.equal(await isDark(), false);
    await press('Dark theme');
    assert.equal(await isDark(), true);
    await open();
    assert.equal(await isDark(), true);
    await press('Dark theme');
    assert.equal(await isDark(), false);
  });

  for (const scheme of ['light', 'dark']) {
    test(`every text stands out from its ground in ${scheme}`, async () => {
      await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
      await open();
      await choose('quotes.subscribe');
      await press('Subscribe');
      await see('#log', 'quotes.update');
      assert.deepEqual(await page.evaluate(faintTexts), []);
    });
  }

  test('a phone shows one part at a time, as wide as its screen', async () => {
    await page.setViewport(PHONE);
    await open();
    await choose('orderbook.subscribe');
    await press('Subscribe');
    await see('#state', 'Connected');
    for (const view of ['Operations', 'Message', 'Console']) {
      await press(view);
      const [visible, width] = await page.evaluate(() => [
        ['#operations', '#article', '#console'].filter((part) => document.querySelector(part).checkVisibility()).length,
        Math.max(...['html', '#operations', '#article', '#console'].map((part) => document.querySelector(part).scrollWidth)),
      ]);
      assert.equal(visible, 1, view);
      assert.ok(width <= PHONE.width, `${view} is ${width} wide`);
    }
    await see('#log', 'orderbook.update');
  });

  /** Opens the page, on a document of the test's own where one is given. */
  async function open(document) {
    if (document) {
      await page.setRequestInterception(true);
      page.on('request', (request) => (request.url().endsWith('/asyncapi.json')
        ? request.respond({ contentType: 'application/json', body: JSON.stringify(document) }) : request.continue()));
    }
    await page.goto(`http://${server.host}/asyncapi`);
    await page.waitForSelector('#groups a');
  }

  async function choose(operation) {
    await page.$eval(`#groups a[href="#${operation}"]`, (link) => link.click());
    await page.waitForFunction((name) => document.querySelector('main h2').textContent === name, MUTATION, operation);
  }

  /** Presses the first visible button of exactly this name. */
  async function press(name) {
    const buttons = await page.$$('button');
    for (const button of buttons) {
      const found = await button.evaluate((element) => element.checkVisibility() && (element.ariaLabel ?? element.textContent));
      if (found === name) return button.click();
    }
    throw new Error(`there is no button ${name}`);
  }

  async function fill(selector, value) {
    const input = await page.$(selector);
    await input.evaluate((element) => element.select());
    await input.press('Backspace');
    await input.type(value);
  }

  function see(selector, part) {
    return page.waitForFunction((where, what) => [...document.querySelectorAll(where)].some(({ textContent }) => textContent.includes(what)),
      MUTATION, selector, part);
  }

  function text(selector) {
    return page.$eval(selector, ({ textContent }) => textContent);
  }

  function texts(selector) {
    return page.$$eval(selector, (all) => all.map(({ textContent }) => textContent));
  }
});

const MUTATION = { polling: 'mutation' };

/** Visible texts with less contrast than WCAG 2.2 asks for (1.4.3, 4.5 to 1). Runs in the page. */
function faintTexts() {
  const painter = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
  const painted = (colours) => {
    painter.reset();
    for (const colour of colours) {
      painter.fillStyle = colour;
      painter.fillRect(0, 0, 1, 1);
    }
    const [red, green, blue] = [...painter.getImageData(0, 0, 1, 1).data]
      .map((part) => part / 255).map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const grounds = (element) => (element ? [...grounds(element.parentElement), getComputedStyle(element).backgroundColor] : []);
  const faint = [];
  for (const element of document.querySelectorAll('body *')) {
    const isText = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
    if (!isText || !element.checkVisibility() || ['SCRIPT', 'OPTION'].includes(element.tagName)) continue;
    const under = grounds(element);
    const [low, high] = [painted(under), painted([...under, getComputedStyle(element).color])].sort((one, other) => one - other);
    const contrast = (high + 0.05) / (low + 0.05);
    if (contrast < 4.5) faint.push(`${element.outerHTML.slice(0, 80)} ${contrast.toFixed(2)}`);
  }
  return faint;
}

/** A document with every way to say a type. */
const ODD = {
  asyncapi: '3.0.0',
  info: { title: 'Odd', version: '1' },
  channels: { all: { address: '/ws', messages: { odd: { $ref: '#/components/messages/odd' } } } },
  operations: {
    odd: { action: 'receive', channel: { $ref: '#/channels/all' }, messages: [{ $ref: '#/channels/all/messages/odd' }] },
  },
  components: {
    messages: {
      odd: {
        name: 'odd',
        payload: { type: 'object', properties: { type: { const: 'odd' }, payload: { $ref: '#/components/schemas/Node' } } },
        examples: [{ payload: { type: 'odd', payload: { name: 'root', size: 3, figure: { kind: 'circle', radius: 1 }, maybe: null } } }],
      },
    },
    schemas: {
      Node: {
        allOf: [{ $ref: '#/components/schemas/Named' }],
        description: 'A leaf or a branch.',
        properties: {
          size: { type: ['integer', 'null'], minimum: 1 },
          figure: { oneOf: [{ $ref: '#/components/schemas/Circle' }, { $ref: '#/components/schemas/Square' }] },
          maybe: { anyOf: [{ $ref: '#/components/schemas/Named' }, { type: 'null' }] },
          children: { type: 'array', items: { $ref: '#/components/schemas/Node' } },
          labels: { type: 'object', additionalProperties: { type: 'string' } },
        },
        required: ['figure', 'maybe'],
      },
      Named: { type: 'object', properties: { name: { type: 'string', default: 'leaf' } }, required: ['name'] },
      Circle: { title: 'Circle', type: 'object', properties: { kind: { const: 'circle' }, radius: { type: 'number' } }, required: ['kind', 'radius'] },
      Square: { title: 'Square', type: 'object', properties: { kind: { const: 'square' }, side: { type: 'number', default: 2 } }, required: ['kind', 'side'] },
    },
  },
};

class Server {
  static async start() {
    const program = process.env.TRADING_SERVER;
    if (!program) {
      throw new Error('TRADING_SERVER is not set: run `cargo build -p fastws-smol --example trading` '
        + 'and set it to the whole path of target/debug/examples/trading');
    }
    const child = spawn(program, ['--listen', '127.0.0.1:0', '--seed', '1'], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(child, 'spawn');
    for await (const line of createInterface({ input: child.stdout })) {
      const found = /^listening on http:\/\/(127\.0\.0\.1:\d+)$/.exec(line);
      if (found) {
        child.stdout.resume();
        return new Server(child, found[1]);
      }
    }
    throw new Error(`${program} ended without saying where it listens`);
  }

  constructor(child, host) {
    this.child = child;
    this.host = host;
  }

  async end() {
    const exited = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await exited;
  }
}
