// The service's API, with the session of this browser.

/** Who is signed in, as `/session` told last. */
export const session = { signed_in: false, role: null, is_employee: false, csrf: null, ways: {} };

/** What the service refused: its detail, for people, and the rule that decided. */
export class Refused extends Error {
  constructor(status, body) {
    super(body?.detail || `${status}`);
    this.status = status;
    this.rule = body?.rule || null;
  }
}

async function ask(method, path, body) {
  const headers = { accept: 'application/json' };
  if (method !== 'GET') headers['x-csrf-token'] = session.csrf || '';
  if (body !== undefined) headers['content-type'] = 'application/json';
  let answer;
  try {
    answer = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body), credentials: 'same-origin' });
  } catch {
    throw new Refused(0, { detail: 'The service cannot be reached. Try again in a minute.' });
  }
  const text = await answer.text();
  let read = null;
  try { read = text ? JSON.parse(text) : null; } catch { /* no JSON: the status says enough */ }
  if (!answer.ok) throw new Refused(answer.status, read);
  return read;
}

export const get = (path) => ask('GET', `/api/v1${path}`);
export const post = (path, body = {}) => ask('POST', `/api/v1${path}`, body);

/** Reads who is signed in. */
export async function refresh() {
  return Object.assign(session, await ask('GET', '/session'));
}

export async function signInByToken(token) {
  return Object.assign(session, await ask('POST', '/session/token', { token }));
}

export async function signOut() {
  await ask('POST', '/session/end', {});
  return refresh();
}

/** Whether the role is this one or more. */
export function may(role) {
  const order = ['viewer', 'operator', 'admin'];
  return order.indexOf(session.role) >= order.indexOf(role);
}

/** Every item of a list, at most so many. */
export async function all(path, most = 2000) {
  const items = [];
  let cursor = null;
  do {
    const joined = path.includes('?') ? '&' : '?';
    const page = await get(`${path}${joined}limit=500${cursor ? `&cursor=${cursor}` : ''}`);
    items.push(...page.items);
    cursor = page.next_cursor;
  } while (cursor && items.length < most);
  return items;
}

const known = new Map();

/** Looks for people by name; the name travels in the body, out of every log. */
export const search = (asked) => ask('POST', '/api/v1/people/search', asked);

/** The same for items of several users (`user_id`, `person_id`): one call, whoever's they are. */
export async function namesOf(items) {
  if (!may('operator')) return new Map();
  const links = [...new Set(items.filter((item) => item.person_id && !known.has(item.person_id)).map((item) => `${item.user_id}:${item.person_id}`))];
  for (let at = 0; at < links.length; at += 100) {
    const some = links.slice(at, at + 100);
    const answer = await get(`/names?links=${some.join(',')}`).catch(() => ({ names: {} }));
    for (const link of some) { const person = link.slice(37); known.set(person, answer.names[person] || null); }
  }
  return known;
}

/** Names of people, for whoever may see them; asked for once. */
export async function names(user, people) {
  if (!may('operator')) return new Map();
  const missing = [...new Set(people)].filter((id) => id && !known.has(id));
  for (let at = 0; at < missing.length; at += 100) {
    const ids = missing.slice(at, at + 100);
    const answer = await get(`/users/${user}/names?ids=${ids.join(',')}`).catch(() => ({ names: {} }));
    for (const id of ids) known.set(id, answer.names[id] || null);
  }
  return known;
}
