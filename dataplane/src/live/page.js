// What the data plane says, once a second. Everything is inserted as text: paths, hosts and endpoints come from strangers.

const POLL_MS = 1000;
/** An answer that takes longer counts as none. */
const ANSWER_MAX_MS = 5000;
/** Rates are over this long. */
const WINDOW_MS = 10_000;

/** In words, why there was no further attempt; the names are those of the metrics. */
const REASONS = {
  success: 'the last attempt succeeded',
  status_not_listed: 'the policy does not list this failure',
  method_unsafe: 'the backend may have acted on it, and the method is not safe to repeat',
  body_too_large: 'the request body outgrew its replay buffer',
  committed: 'the backend answered before it had the whole request',
  budget: 'the retry budget of the Service port was spent',
  deadline: 'no time was left for another attempt',
  exhausted: 'all retries of the policy were made',
  client_gone: 'the client went away',
  disabled: 'no policy allows retries',
  memory: 'no memory was left for replay buffers',
  nested: 'the request was another layer’s retry already',
  dry_run: 'the policy is in dry run: it counts and does not retry',
  no_endpoint: 'the Service port has no ready endpoint',
};

const byId = (id) => document.getElementById(id);

/** An element with text, which is never read as markup. */
function element(tag, classes = '', text = '') {
  const made = document.createElement(tag);
  if (classes) made.className = classes;
  if (text !== '') made.textContent = text;
  return made;
}

/** Touches the page only when something changed, so that a selection stays. */
function show(node, text, classes = null) {
  if (node.textContent !== text) node.textContent = text;
  if (classes !== null && node.className !== classes) node.className = classes;
}

function duration(ms) {
  if (ms >= 1000) return `${(ms / 1000).toFixed(2)} s`;
  return ms >= 10 ? `${Math.round(ms)} ms` : `${ms.toFixed(1)} ms`;
}

const percent = (share) => `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`;
const sum = (counts) => Object.values(counts).reduce((total, count) => total + count, 0);

/** Makes the children of `parent` those of `items`, in their order, keeping every node whose key stays. */
function reconcile(parent, items, keyOf, make, update = () => {}) {
  const old = new Map([...parent.children].map((node) => [node.dataset.key, node]));
  let after = null;
  for (const item of items) {
    const key = keyOf(item);
    const node = old.get(key) ?? make(item);
    old.delete(key);
    node.dataset.key = key;
    update(node, item);
    const place = after ? after.nextSibling : parent.firstChild;
    if (place !== node) parent.insertBefore(node, place);
    after = node;
  }
  old.forEach((node) => node.remove());
}

// ---- services

/** Of each Service port, what was counted within the window: {at, attempts, retries}, oldest first. */
const counted = new Map();

function remember(services, at) {
  const names = new Set(services.map(({ service }) => service));
  [...counted.keys()].filter((name) => !names.has(name)).forEach((name) => counted.delete(name));
  for (const { service, attempts, retries } of services) {
    const now = { at, attempts, retries: sum(retries) };
    let past = counted.get(service) ?? [];
    // Fewer than before: another process answers, and what was counted of the last one says nothing about it.
    if (past.length && past.at(-1).attempts > attempts) past = [];
    past = [...past.filter((then) => at - then.at <= WINDOW_MS), now];
    counted.set(service, past);
  }
}

/** Within the window; null where there is nothing to tell. */
function rates(service) {
  const past = counted.get(service);
  const [first, last] = [past[0], past.at(-1)];
  if (last.at === first.at) return { perSecond: null, retried: null };
  const attempts = last.attempts - first.attempts;
  const perSecond = attempts / ((last.at - first.at) / 1000);
  return { perSecond, retried: share(attempts, last.retries - first.retries) };
}

/** Retries for each first attempt. A retry is counted when it is decided, a moment before its attempt is. */
function share(attempts, retries) {
  const firsts = Math.max(attempts - retries, 0);
  return firsts > 0 ? retries / firsts : null;
}

function serviceRow() {
  const row = element('tr');
  row.append(element('th'), ...Array.from({ length: 8 }, () => element('td')));
  row.firstChild.scope = 'row';
  return row;
}

function showService(row, { service, policy, endpoints, attempts, rescued, retries, suppressed, budget }) {
  const cells = row.children;
  const { perSecond, retried } = rates(service);
  const rate = (cell, value) =>
    show(cell, value === null ? '–' : percent(value), `number ${value > 0.2 ? 'bad' : value > 0.05 ? 'warn' : ''}`);
  show(cells[0], service);
  show(cells[1], policy ?? 'none', policy ? '' : 'quiet');
  show(cells[2], endpoints ? `${endpoints}` : '0: answers 503', endpoints ? 'number' : 'number bad');
  show(cells[3], perSecond === null ? '–' : perSecond.toFixed(1), 'number');
  rate(cells[4], retried);
  rate(cells[5], share(attempts, sum(retries)));
  show(cells[6], `${rescued}`, 'number');
  showBudget(cells[7], policy, budget);
  const because = Object.entries(suppressed).filter(([, count]) => count > 0);
  show(cells[8], because.map(([reason, count]) => `${reason} ${count}`).join(', '));
}

function showBudget(cell, policy, budget) {
  if (budget === null) return show(cell, policy ? 'unlimited' : '–', 'number quiet');
  return budget.available ? show(cell, `${budget.available}`, 'number') : show(cell, '0: spent', 'number bad');
}

// ---- requests

const outcomeClass = ({ status, error }) => (error || status >= 500 ? 'bad' : status >= 400 ? 'warn' : 'good');
const outcome = ({ status, error }) => error ?? `${status ?? 'no answer'}`;

function requestCard(request) {
  const rescued = request.reason === 'success';
  const card = element('article', rescued ? 'rescued' : '');
  const title = element('h3');
  title.append(
    element('span', 'what', `${request.method} ${request.path}`),
    element('span', outcomeClass(request), request.status ? `${request.status}` : 'no answer'),
    element('span', '', why(request.reason)),
    element('span', 'quiet', `in ${duration(request.duration_ms)}`),
  );
  card.append(title, facts(request));
  if (request.attempts.length) card.append(attempts(request));
  return card;
}

function why(reason) {
  if (reason === undefined) return 'not sent to a backend';
  return `${reason === 'success' ? 'rescued' : reason}: ${REASONS[reason] ?? 'see the documentation'}`;
}

function facts(request) {
  const line = element('p');
  const told = [
    ['at', request.time.replace('T', ' ').replace('Z', ' UTC')],
    ['host', request.host],
    ['from', request.client],
    ['route', request.route],
    ['Service', request.service],
    ['policy', request.policy],
  ];
  for (const [name, value] of told.filter(([, value]) => value)) line.append(element('span', '', `${name} ${value}`));
  if (request.trace_id) line.append(trace(request.trace_id));
  return line;
}

function trace(id) {
  const place = element('span', 'trace', 'trace ');
  const button = element('button', '', 'copy');
  button.type = 'button';
  button.setAttribute('aria-label', `copy trace id ${id}`);
  button.addEventListener('click', () => {
    navigator.clipboard.writeText(id).then(
      () => say('trace id copied'),
      () => say('the browser does not allow copying: select the id'),
    );
  });
  place.append(element('code', '', id), button);
  return place;
}

/** The attempts as a table, and beside each its bar: the request from left to right. */
function attempts({ attempts, duration_ms }) {
  const table = element('table');
  const head = element('tr');
  const columns = ['#', 'endpoint', 'result', 'started', 'took', 'then waited', ''];
  head.append(...columns.map((name, at) => element('th', at > 2 && at < 6 ? 'number' : '', name)));
  [...head.children].forEach((cell) => { cell.scope = 'col'; });
  const end = ({ start_ms, duration_ms: took, wait_ms = 0 }) => start_ms + took + wait_ms;
  // Above zero: a request can be faster than its times are exact.
  const scale = Math.max(duration_ms, ...attempts.map(end), 0.001);
  table.createTHead().append(head);
  table.createTBody().append(...attempts.map((attempt, at) => attemptRow(attempt, at, scale)));
  return table;
}

function attemptRow(attempt, at, scale) {
  const row = element('tr');
  const lane = element('td');
  lane.setAttribute('aria-hidden', 'true');
  lane.append(bars(attempt, scale));
  row.append(
    element('td', 'quiet', `${at + 1}`),
    element('td', '', attempt.endpoint ?? 'none'),
    element('td', outcomeClass(attempt), outcome(attempt)),
    element('td', 'number', duration(attempt.start_ms)),
    element('td', 'number', duration(attempt.duration_ms)),
    element('td', 'number quiet', attempt.wait_ms === undefined ? '' : duration(attempt.wait_ms)),
    lane,
  );
  return row;
}

function bars(attempt, scale) {
  const lane = element('div', 'lane');
  const bar = (classes, from, length) => {
    const made = element('i', classes);
    made.style.left = `${(from / scale) * 100}%`;
    made.style.width = `${(length / scale) * 100}%`;
    lane.append(made);
  };
  if (attempt.wait_ms) bar('wait', attempt.start_ms + attempt.duration_ms, attempt.wait_ms);
  bar(outcomeClass(attempt), attempt.start_ms, attempt.duration_ms);
  return lane;
}

function showRequests(recent) {
  const wanted = byId('filter').value.trim().toLowerCase();
  // Two requests that are alike to the millisecond are told apart by how many of them there are.
  const seen = new Map();
  const keyed = recent.map((request) => {
    const text = JSON.stringify(request);
    seen.set(text, (seen.get(text) ?? 0) + 1);
    return { key: `${text}${seen.get(text)}`, request, found: text.toLowerCase().includes(wanted) };
  });
  const shown = keyed.filter(({ found }) => found);
  reconcile(byId('requests'), shown, ({ key }) => key, ({ request }) => requestCard(request));
  show(byId('requests-more'), recent.length ? `${shown.length} of the last ${recent.length}, newest first` : '');
  show(byId('requests-none'), recent.length ? 'None of them matches.' : 'None since this data plane started.');
  byId('requests-none').hidden = shown.length > 0;
}

// ---- routes

function showRoutes(routes) {
  const rules = routes.flatMap(({ route, rules }) => rules.map((rule) => ({ route, ...rule })));
  const row = ({ route, matches, backends }) => {
    const made = element('tr');
    const name = element('th', '', route);
    name.scope = 'row';
    const to = backends.length ? element('td', '', backends.join(', ')) : element('td', 'bad', 'none: answers 500');
    made.append(name, element('td', '', matches.join(' or ')), to);
    return made;
  };
  const numbered = rules.map((rule, at) => ({ rule, key: `${at} ${JSON.stringify(rule)}` }));
  reconcile(byId('routes').tBodies[0], numbered, ({ key }) => key, ({ rule }) => row(rule));
}

// ---- the page

const more = (shown, total) => (shown < total ? `the first ${shown} of ${total}` : '');
const clock = () => `${new Date().toISOString().slice(11, 19)} UTC`;

/** For those who listen to the page. */
function say(text) {
  byId('said').textContent = text;
}

let last = null;

function showAll(live) {
  last = live;
  show(byId('gateway'), live.gateway ?? 'without a configuration');
  document.title = `${live.gateway ?? 'no configuration'} – Rebound`;
  show(byId('generation'), `${live.generation}`);
  show(byId('driver'), live.driver ?? 'starting');
  show(byId('state'), live.draining ? 'draining' : 'serving', live.draining ? 'warn' : 'good');
  show(byId('as-of'), clock());
  remember(live.services, performance.now());
  reconcile(byId('services').tBodies[0], live.services, ({ service }) => service, serviceRow, showService);
  byId('services-none').hidden = live.services.length > 0;
  show(byId('services-more'), more(live.services.length, live.services_total));
  showRequests(live.recent);
  showRoutes(live.routes);
  show(byId('routes-more'), more(live.routes.length, live.routes_total));
}

function showGone(error) {
  const banner = byId('gone');
  document.body.classList.toggle('stale', error !== null);
  if (error === null) {
    banner.hidden = true;
  } else if (banner.hidden) {
    banner.textContent = `The data plane does not answer since ${clock()} (${error}). What is below is the last that it said.`;
    banner.hidden = false;
  }
}

let paused = false;

async function poll() {
  try {
    const answer = await fetch('/live.json', { cache: 'no-store', signal: AbortSignal.timeout(ANSWER_MAX_MS) });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const live = await answer.json();
    // Pressed while the answer was on its way: what is on the page stays.
    if (!paused) showAll(live);
    showGone(null);
  } catch (error) {
    showGone(error.message);
  }
}

async function follow() {
  if (!paused) await poll();
  setTimeout(follow, POLL_MS);
}

byId('pause').addEventListener('click', () => {
  paused = !paused;
  byId('pause').setAttribute('aria-pressed', `${paused}`);
  show(byId('pause'), paused ? 'Go on' : 'Pause');
  say(paused ? 'paused' : 'following');
  // A rate over the pause would tell of a time that nobody saw.
  if (!paused) counted.clear();
});
byId('filter').addEventListener('input', () => last && showRequests(last.recent));
follow();
