// Keeps the page true: hears that something was stored, asks for the page again and takes over the parts
// of its <main> that have changed. The log of a step is a stream of its own, of which a window is shown.
'use strict';

const $ = (selector) => document.querySelector(selector);
const live = $('.live');
const narrow = matchMedia('(max-width: 60rem)');

// ---- The page, anew.

const source = new WeakMap(); // each part as the server has written it
const folds = new WeakMap(); // whether it has unfolded this
let busy = false;
let again = false;

const leaves = (root) => [...root.querySelectorAll('[data-part]')].filter((part) => !part.querySelector('[data-part]'));

function remember(part) {
  source.set(part, part.outerHTML);
  for (const details of [part, ...part.querySelectorAll('details')]) folds.set(details, details.open);
  for (const child of part.children) source.set(child, child.outerHTML);
}

async function refresh() {
  if (busy) { again = true; return; }
  busy = true;
  try {
    const here = location.href.split('#')[0];
    const answer = await fetch(here, { headers: { accept: 'text/html' } });
    if (answer.redirected && answer.url !== here) { location.replace(answer.url); return; }
    if (answer.ok) takeOver(new DOMParser().parseFromString(await answer.text(), 'text/html'));
  } catch {
    // The event source notices that the server is away, and comes back by itself.
  }
  busy = false;
  if (again) { again = false; refresh(); }
}

function takeOver(fresh) {
  const [now, next] = [$('main'), fresh.querySelector('main')];
  const parts = leaves(next);
  for (const part of leaves(now)) {
    const other = parts.find((candidate) => candidate.dataset.part === part.dataset.part);
    if (other) exchange(part, other, true);
  }
  document.title = fresh.title;
  // Said once for each change, and nothing else is.
  if (next.dataset.state && next.dataset.state !== now.dataset.state) {
    now.dataset.state = next.dataset.state;
    $('.said').textContent = next.dataset.state;
  }
  go();
}

// What has not changed stays: where the keyboard is, what is unfolded, what is scrolled.
function exchange(old, fresh, deeper) {
  const text = fresh.outerHTML;
  if (source.get(old) === text) return;
  const [mine, theirs] = [[...old.children], [...fresh.children]];
  const alike = (child, index) => child.tagName === theirs[index].tagName && child.id === theirs[index].id
    && child.className === theirs[index].className;
  if (deeper && mine.length === theirs.length && mine.every(alike)) {
    mine.forEach((child, index) => exchange(child, theirs[index], false));
    source.set(old, text);
    return;
  }
  remember(fresh);
  // What somebody has folded or unfolded stays so.
  for (const details of [...old.querySelectorAll('details[id]'), old]) {
    const same = details.id && (fresh.id === details.id ? fresh : fresh.querySelector('#' + CSS.escape(details.id)));
    if (same && details.open !== folds.get(details)) same.open = details.open;
  }
  const picture = old.querySelector('.picture');
  const place = old.contains(document.activeElement) && handle(document.activeElement);
  old.replaceWith(fresh);
  if (picture && fresh.querySelector('.picture')) fresh.querySelector('.picture').scrollLeft = picture.scrollLeft;
  if (place) (fresh.matches(place) ? fresh : fresh.querySelector(place))?.focus({ preventScroll: true });
}

function handle(element) {
  if (element.id) return '#' + CSS.escape(element.id);
  for (const name of ['data-post', 'href']) {
    if (element.hasAttribute(name)) return `[${name}="${CSS.escape(element.getAttribute(name))}"]`;
  }
  const around = element.closest('[id]');
  return around ? '#' + CSS.escape(around.id) + ' > ' + element.localName : null;
}

let events = null;

function hear() {
  events = new EventSource('/events');
  events.addEventListener('open', () => { live.textContent = 'live'; live.classList.add('on'); refresh(); });
  events.addEventListener('error', () => { live.textContent = 'reconnecting'; live.classList.remove('on'); });
  events.addEventListener('stored', refresh);
  events.addEventListener('traffic', () => { if ($('.traffic')) refresh(); });
}

// ---- The log of a step. Its address is #JOB:STEP, that of a line #JOB:STEP:LINE.

const panel = $('.log');
const screen = panel && panel.querySelector('.lines');
const MOST = 2000; // lines on the page; whoever scrolls up has twice as many
const WINDOW = 1000;

let shown = null; // the address of the log on the screen
let stream = null;
let queue = [];
let head = null;
let timer = 0;
let pause = 80; // milliseconds
let openLine = null;

function place() {
  let parts;
  try { parts = location.hash.slice(1).split(':').map(decodeURIComponent); } catch { return null; }
  const [job, step, line] = parts;
  return step === undefined ? { job } : { job, step, id: job + ':' + step, line: Number(line) || 0 };
}

// Shows what the address says; without a step in it, on a wide page, the step that matters most.
function go() {
  if (!panel) return;
  const at = place();
  const job = at && document.getElementById(at.job);
  if (job && job.localName === 'details') job.open = true;
  const wanted = at && at.id ? document.getElementById(at.id) : null;
  document.body.classList.toggle('reading', Boolean(wanted));
  const link = wanted || (!narrow.matches && !(at && at.id) && worthSeeing());
  for (const step of document.querySelectorAll('a.step[aria-current]')) {
    if (step !== link) step.removeAttribute('aria-current');
  }
  if (!link) return;
  link.setAttribute('aria-current', 'true');
  link.closest('details').open = true;
  show(link, wanted ? at.line : 0);
}

function worthSeeing() {
  const all = [...document.querySelectorAll('a.step')];
  const failed = all.find((link) => link.querySelector('.failed, .faulted, .timed_out'));
  return all.find((link) => link.dataset.running === 'true') || failed || all[all.length - 1];
}

function show(link, line) {
  const url = link.dataset.log;
  if (shown === url) {
    if (line && screen.querySelector('.target')?.dataset.n !== String(line)) select(line) || around(line);
    return;
  }
  shown = url;
  panel.hidden = false;
  panel.querySelector('h2').textContent = link.dataset.name;
  panel.querySelector('.raw').href = '/api/v1' + url;
  panel.querySelector('.back').href = link.hash.replace(/:[^:]*$/, '');
  if (line) around(line); else tail();
}

function stop() {
  if (stream) stream.close();
  stream = null;
  queue = [];
}

function clear() {
  screen.replaceChildren();
  openLine = null;
}

// The last lines, and all that come.
function tail() {
  stop();
  clear();
  more(false, false);
  const own = new EventSource(shown + '&count=' + WINDOW);
  stream = own;
  own.addEventListener('begin', (event) => {
    const news = JSON.parse(event.data);
    clear();
    queue = [];
    render(screen, news.window.lines, null, false);
    more(news.window.earlier, false);
    keepOpen(news.head);
    partial(news.open);
    screen.scrollTop = screen.scrollHeight;
  });
  own.addEventListener('lines', (event) => {
    const news = JSON.parse(event.data);
    queue.push(...news.lines);
    // Of a flood the end is shown; what was passed over is had by looking further up.
    if (queue.length > WINDOW) { queue.splice(0, queue.length - WINDOW); queue.gap = true; }
    [queue.open, head] = [news.open, news.head];
    timer = timer || setTimeout(flush, pause);
  });
  own.addEventListener('fault', (event) => { tell(JSON.parse(event.data)); own.close(); });
  own.addEventListener('end', () => { own.close(); if (stream === own) flush(); });
}

// What has come since the last time. The longer it takes the more rarely it is done: the page stays free.
function flush() {
  clearTimeout(timer);
  const begun = performance.now();
  draw();
  timer = 0;
  requestAnimationFrame(() => { pause = Math.min(2000, Math.max(80, 4 * (performance.now() - begun))); });
}

function draw() {
  const [lines, at, count] = [queue, head, screen.getElementsByClassName('line').length];
  queue = [];
  if (!stream || (!lines.length && lines.open === undefined)) return;
  const atEnd = screen.scrollTop + screen.clientHeight >= screen.scrollHeight - 8;
  if (!atEnd && (lines.gap || count + lines.length > 2 * MOST)) {
    // Whoever reads further up is not disturbed.
    stop();
    more(null, true);
    return;
  }
  partial(null);
  if (lines.gap) { clear(); more(true, null); }
  render(screen, lines, at, true);
  if (atEnd && trim(MOST, dropFirst)) more(true, null);
  partial(lines.open);
  if (atEnd) screen.scrollTop = screen.scrollHeight;
}

async function ask(from) {
  const url = shown;
  const answer = await fetch(`${url.replace('/log?', '/log/lines?')}&from=${from}&count=${WINDOW}`);
  if (url !== shown) return null;
  if (!answer.ok) { tell((await answer.json()).error); return null; }
  return answer.json();
}

// A line, with what is around it.
async function around(line) {
  stop();
  const found = await ask(Math.max(1, line - 200));
  if (!found) return;
  clear();
  render(screen, found.lines, null, false);
  more(found.earlier, found.later);
  select(line);
}

async function earlier() {
  const first = firstLine();
  const found = await ask(Math.max(1, first - WINDOW));
  if (!found) return;
  const above = document.createElement('div');
  render(above, found.lines.filter((line) => line.n < first), null, false);
  const [last, group] = [above.lastElementChild, screen.firstElementChild];
  const [height, top] = [screen.scrollHeight, screen.scrollTop];
  // A group that the border went through is one again.
  if (last && group && last.dataset.group && last.dataset.group === group.dataset.group) {
    last.append(...[...group.children].slice(1));
    last.open = true;
    group.remove();
  }
  screen.prepend(...above.childNodes);
  screen.scrollTop = top + screen.scrollHeight - height;
  const isCut = trim(2 * MOST, dropLast);
  if (isCut) stop();
  more(found.earlier, isCut ? true : null);
}

async function later() {
  stop();
  const found = await ask(lastLine() + 1);
  if (!found) return;
  partial(null);
  render(screen, found.lines, null, false);
  const isCut = trim(2 * MOST, dropFirst);
  more(isCut ? true : null, found.later);
}

function more(before, behind) {
  if (before !== null) panel.querySelector('.earlier').hidden = !before;
  if (behind !== null) panel.querySelector('.later').hidden = !behind;
}

function firstLine() {
  const first = screen.firstElementChild;
  if (!first) return 1;
  if (!first.dataset.group) return Number(first.dataset.n);
  const [own, next] = [Number(first.dataset.group), Number(first.children[1]?.dataset.n)];
  return next && next > own + 1 ? next : own;
}

function lastLine() {
  const all = screen.querySelectorAll('.line:not(.open)');
  return all.length ? Number(all[all.length - 1].dataset.n) : 0;
}

function trim(most, drop) {
  let count = screen.getElementsByClassName('line').length - most;
  if (count <= 0) return false;
  while (count-- > 0) drop();
  return true;
}

// The head of a group goes last.
function dropFirst() {
  const first = screen.firstElementChild;
  (first.dataset.group && first.children[1] ? first.children[1] : first).remove();
}

function dropLast() {
  const last = screen.lastElementChild;
  (last.dataset.group && last.children[1] ? last.lastElementChild : last).remove();
}

function render(into, lines, at, isLive) {
  for (const line of lines) {
    const last = into.lastElementChild;
    if (line.k === 'group') {
      settle(last);
      into.append(group(line, isLive));
    } else if (line.g) {
      const isIn = last && last.dataset.group === String(line.g);
      const around = isIn ? last : group(at && at.n === line.g ? at : { n: line.g, p: [{ t: '…' }] }, isLive);
      if (!isIn) { settle(last); into.append(around); }
      around.append(row('div', line));
      // What went wrong is not hidden.
      if (line.k === 'error') { around.open = true; delete around.dataset.auto; }
    } else {
      settle(last);
      into.append(row('div', line));
    }
  }
  if (screen.querySelector('a.n') && !screen.querySelector('a.n[tabindex="0"]')) screen.querySelector('a.n').tabIndex = 0;
}

// A group that was open because it grew folds when it has ended, unless somebody has touched it.
function settle(last) {
  if (last && last.dataset.auto) { last.open = false; delete last.dataset.auto; }
}

function keepOpen(at) {
  const last = screen.lastElementChild;
  if (at && last && last.dataset.group === String(at.n)) { last.open = true; last.dataset.auto = 'true'; }
}

function group(line, isLive) {
  const details = document.createElement('details');
  details.dataset.group = line.n;
  if (isLive) { details.open = true; details.dataset.auto = 'true'; }
  details.append(row('summary', line));
  return details;
}

// Text is only ever set as text.
function row(kind, line) {
  const row = document.createElement(kind);
  row.className = 'line' + (line.k ? ' ' + line.k : '');
  row.dataset.n = line.n;
  const number = document.createElement('a');
  number.className = 'n';
  number.tabIndex = -1;
  number.href = stepHash() + ':' + line.n;
  number.textContent = line.n;
  number.setAttribute('aria-label', 'line ' + line.n);
  const text = document.createElement('span');
  text.className = 't';
  if (['error', 'warning', 'notice', 'debug'].includes(line.k)) {
    const level = document.createElement('b');
    level.textContent = line.k;
    text.append(level, ' ');
  }
  for (const part of line.p) {
    if (!part.f && !part.b && !part.c) { text.append(part.t); continue; }
    const span = document.createElement('span');
    if (part.c) span.className = part.c.join(' ');
    if (part.f) span.style.color = part.f;
    if (part.b) span.style.backgroundColor = part.b;
    span.textContent = part.t;
    text.append(span);
  }
  row.append(number, text);
  return row;
}

function stepHash() {
  const query = new URLSearchParams(shown.split('?')[1]);
  return '#' + encodeURIComponent(query.get('job')) + ':' + query.get('step');
}

// The line that has not ended, as far as it has come.
function partial(line) {
  if (openLine) openLine.remove();
  openLine = line ? row('div', line) : null;
  if (!openLine) return;
  openLine.classList.add('open');
  const last = screen.lastElementChild;
  (line.g && last && last.dataset.group === String(line.g) ? last : screen).append(openLine);
}

function tell(text) {
  const line = document.createElement('p');
  line.textContent = text;
  screen.append(line);
}

function select(line) {
  const found = screen.querySelector(`.line[data-n="${line}"]`);
  if (!found) return false;
  for (const old of screen.querySelectorAll('.target')) old.classList.remove('target');
  for (const old of screen.querySelectorAll('a.n[tabindex="0"]')) old.tabIndex = -1;
  found.classList.add('target');
  found.querySelector('a.n').tabIndex = 0;
  const around = found.closest('details');
  if (around && found.localName !== 'summary') { around.open = true; delete around.dataset.auto; }
  found.scrollIntoView({ block: 'center' });
  return true;
}

// The numbers are one stop of the keyboard; from one to the next it goes with the arrows.
function walk(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step || !event.target.matches('a.n')) return;
  const seen = [...screen.querySelectorAll('a.n')].filter((number) => number.checkVisibility());
  const next = seen[seen.indexOf(event.target) + step];
  if (!next) return;
  event.preventDefault();
  event.target.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
}

// ---- Verbs. The browser asks for the token when it has none.

async function post(button) {
  if (button.dataset.sure && !confirm(button.dataset.sure)) return;
  button.disabled = true;
  let text = '';
  try {
    const answer = await fetch(button.dataset.post, {
      method: 'POST', headers: { 'content-type': 'application/json' }, body: button.dataset.body || '{}',
    });
    const said = await answer.json();
    text = said.error || said.notice || (said.already ? 'it is so already' : '');
    // What is done once more, or taken back, is a deployment of its own: go and see it.
    if (/\/(retry|rollback)$/.test(button.dataset.post) && said.deployment) {
      location.href = '/deployments/' + said.deployment;
      return;
    }
  } catch {
    text = 'the server does not answer';
  }
  // It stays when the page is drawn anew, and the button is gone.
  const place = $('.answer');
  place.textContent = text && button.textContent.trim() + ': ' + text;
  place.hidden = !text;
  await refresh();
  button.disabled = false;
}

document.addEventListener('click', (event) => {
  const verb = event.target.closest('button[data-post]');
  if (verb) post(verb);
  const folded = event.target.closest('.lines summary');
  if (folded) delete folded.parentElement.dataset.auto;
});

for (const part of leaves(document)) remember(part);
if (panel) {
  panel.querySelector('.earlier').addEventListener('click', earlier);
  panel.querySelector('.later').addEventListener('click', later);
  panel.querySelector('.end').addEventListener('click', tail);
  panel.querySelector('.back').addEventListener('click', () => {
    const link = document.getElementById(place().id);
    setTimeout(() => link && link.focus());
  });
  screen.addEventListener('keydown', walk);
  addEventListener('hashchange', go);
  narrow.addEventListener('change', go);
  addEventListener('keydown', (event) => {
    if (event.key === 'Escape' && narrow.matches && document.body.classList.contains('reading')) panel.querySelector('.back').click();
  });
}
// A page that was left is kept for the way back, with its streams: browsers have six of them for all pages.
addEventListener('pagehide', () => {
  events.close();
  if (stream) stream.close();
});
addEventListener('pageshow', (event) => {
  if (!event.persisted) return;
  hear();
  if (stream) tail();
});
hear();
go();
