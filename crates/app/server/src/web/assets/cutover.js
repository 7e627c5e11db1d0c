// Keeps the page true: hears that something was stored, asks for the page again and takes over its
// <main>. The log is a stream of its own and survives that.
'use strict';

const live = document.querySelector('.live');
const panel = document.querySelector('.log');
const screen = panel.querySelector('pre');
const MOST_LOG = 400000; // characters that stay on the page; the rest is in `cutover logs`

let busy = false;
let again = false;

async function refresh() {
  if (busy) { again = true; return; }
  busy = true;
  try {
    const answer = await fetch(location.href, { headers: { accept: 'text/html' } });
    if (answer.ok) {
      const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html');
      document.querySelector('main').replaceWith(fresh.querySelector('main'));
      document.title = fresh.title;
      followRunning();
    }
  } catch {
    // The event source notices that the server is away, and comes back by itself.
  }
  busy = false;
  if (again) { again = false; refresh(); }
}

function hear() {
  const source = new EventSource('/events');
  source.addEventListener('open', () => { live.textContent = 'live'; live.classList.add('on'); refresh(); });
  source.addEventListener('error', () => { live.textContent = 'reconnecting'; live.classList.remove('on'); });
  source.addEventListener('stored', refresh);
  source.addEventListener('traffic', () => { if (document.querySelector('.traffic')) refresh(); });
}

let shown = null;
let chosen = false;
let stream = null;

function show(button) {
  if (shown === button.dataset.log) return;
  shown = button.dataset.log;
  if (stream) stream.close();
  screen.textContent = '';
  panel.hidden = false;
  panel.querySelector('.of').textContent = button.dataset.name;
  stream = new EventSource(shown);
  stream.addEventListener('log', (event) => append(JSON.parse(event.data)));
  stream.addEventListener('fault', (event) => { append('\n[' + JSON.parse(event.data) + ']'); stream.close(); });
  stream.addEventListener('end', () => stream.close());
  // A stream that breaks would begin at the start again: begin with an empty screen, too.
  stream.addEventListener('open', () => { screen.textContent = ''; });
}

function append(text) {
  const atEnd = screen.scrollTop + screen.clientHeight >= screen.scrollHeight - 4;
  // Only what can be read stays: colours and other terminal sequences go.
  const plain = text.replace(/\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\))/g, '');
  screen.append(plain);
  if (screen.textContent.length > MOST_LOG) screen.textContent = '…' + screen.textContent.slice(-MOST_LOG / 2);
  if (atEnd) screen.scrollTop = screen.scrollHeight;
}

// Until somebody chooses a step, the one that runs is shown; the last one that ran otherwise.
function followRunning() {
  if (chosen) return;
  const running = document.querySelector('.steps button[data-running=true]');
  const all = document.querySelectorAll('.steps button');
  const button = running || all[all.length - 1];
  if (button) show(button);
}

// A button does what its address says. The browser asks for the token when it has none.
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
  const place = document.querySelector('.answer');
  place.textContent = text && button.textContent.trim() + ': ' + text;
  place.hidden = !text;
  await refresh();
  button.disabled = false;
}

document.addEventListener('click', (event) => {
  const verb = event.target.closest('button[data-post]');
  if (verb) { post(verb); return; }
  const button = event.target.closest('.steps button');
  if (button) { chosen = true; show(button); }
});

hear();
followRunning();
