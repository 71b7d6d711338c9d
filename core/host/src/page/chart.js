// A line over time. Knows points; not where they come from.

class Chart {
  #points = [];
  #at;

  constructor(plot, reading) {
    this.plot = plot;
    this.reading = reading;
    plot.addEventListener('pointermove', ({ clientX }) => this.#point(clientX));
    plot.addEventListener('pointerleave', () => this.#mark());
    plot.addEventListener('blur', () => this.#mark());
    plot.addEventListener('keydown', ({ key }) => this.#step(key));
  }

  /** Points are { when, value }, in order. */
  draw(name, points) {
    this.#points = points;
    if (points.length === 0) return this.plot.replaceChildren();
    const values = points.map(({ value }) => value);
    const ticks = ticksOver(Math.min(...values), Math.max(...values));
    this.scale = {
      left: +points[0].when,
      width: Math.max(1, points.at(-1).when - points[0].when),
      low: Math.min(ticks[0], ...values),
      high: Math.max(ticks.at(-1), ...values),
    };
    const line = points.map((point, at) => `${at ? 'L' : 'M'}${this.#x(point)} ${this.#y(point.value)}`).join('');
    this.dot = make('i', { class: 'dot' });
    this.plot.replaceChildren(
      ...ticks.map((tick) => this.#tick(tick, decimals(ticks[1] - ticks[0]))),
      shape('svg', { viewBox: '0 0 100 100', preserveAspectRatio: 'none' },
        shape('path', { d: `${line}V100H${this.#x(points[0])}Z`, class: 'area' }),
        shape('path', { d: line, class: 'line' })),
      make('time', {}, clock(points[0].when, 0)), make('time', { class: 'end' }, clock(points.at(-1).when, 0)),
      this.dot);
    const range = `${figure(Math.min(...values))} to ${figure(Math.max(...values))}`;
    this.plot.setAttribute('aria-label', `${name}: ${figure(values.at(-1))}, in ${points.length} updates from ${range}`);
    this.#mark(this.#at);
  }

  #tick(value, digits) {
    const words = value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
    const tick = make('span', { class: 'tick' }, make('b', {}, words));
    tick.style.bottom = `${100 - this.#y(value)}%`;
    return tick;
  }

  #x({ when }) {
    return this.#points.length === 1 ? 100 : ((when - this.scale.left) / this.scale.width) * 100;
  }

  #y(value) {
    const { low, high } = this.scale;
    return 96 - ((value - low) / (high - low)) * 92;
  }

  #point(clientX) {
    const { left, width } = this.plot.querySelector('svg')?.getBoundingClientRect() ?? {};
    const x = ((clientX - left) / width) * 100;
    const distances = this.#points.map((point) => Math.abs(this.#x(point) - x));
    this.#mark(this.#points[distances.indexOf(Math.min(...distances))]);
  }

  #step(key) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[key];
    if (step === undefined) return;
    const at = this.#at ? this.#points.indexOf(this.#at) + step : this.#points.length - 1;
    this.#mark(this.#points[Math.min(Math.max(at, 0), this.#points.length - 1)]);
  }

  /** Reads out one point, or the newest. */
  #mark(point) {
    this.#at = this.#points.includes(point) ? point : undefined;
    const shown = this.#at ?? this.#points.at(-1);
    if (!shown) return;
    this.reading.replaceChildren(make('strong', {}, figure(shown.value)), ` ${clock(shown.when, 1)}`);
    this.dot.style.left = `calc((100% - var(--ticks)) * ${this.#x(shown) / 100})`;
    this.dot.style.bottom = `${100 - this.#y(shown.value)}%`;
  }
}

function shape(tag, attributes, ...children) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** How many decimals tell two ticks apart. */
function decimals(step) {
  return Math.min(12, Math.max(0, -Math.floor(Math.log10(step))));
}

/** Three to six round numbers over a range. */
function ticksOver(low, high) {
  const span = high - low || Math.abs(high) / 1000 || 1;
  const power = 10 ** Math.floor(Math.log10(span / 3));
  const step = [1, 2, 5, 10].map((round) => round * power).find((round) => span / round <= 4);
  const first = Math.floor(low / step);
  const count = Math.max(1, Math.ceil(high / step) - first);
  return Array.from({ length: count + 1 }, (_, at) => (first + at) * step);
}
