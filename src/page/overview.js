// The service at a glance, for administrators: health with reasons, what waits, what ends soon.
import { get } from './api.js';
import { card, empty, facts, h, notice, numbers, show, table, tag } from './dom.js';
import { ago, number, sentence, span, state, t, time } from './words.js';

const DAY = 86400000;

/** What is wrong, each with its weight: the worst one colours the whole. */
function reasons({ status, ready, subscriptions, held, parked, environments }) {
  const found = [];
  if (!ready.ok) found.push(['bad', t('The service is not ready: {why}', { why: ready.why })]);
  for (const alert of status.alerts) found.push(['bad', sentence(alert.message), alert.user_id]);
  for (const one of status.reminders) found.push([one.has_ended ? 'bad' : 'warn', sentence(one.message), one.user_id]);
  for (const one of status.backlog) if (one.lag_ms > 300000) found.push(['warn', t('In {environment} a change has waited for {time}.', { environment: one.environment, time: span(one.lag_ms) })]);
  for (const one of environments) if (one.throttled_until) found.push(['warn', t('Tribe asked for rest until {time} in {environment}.', { time: time(one.throttled_until), environment: one.id })]);
  const soon = subscriptions.filter((one) => new Date(one.expires_at) - Date.now() < DAY / 2);
  if (soon.length) found.push(['warn', t('{n} subscriptions end within 12 hours; they should have been renewed.', { n: soon.length })]);
  if (held) found.push(['warn', t('{n} changes wait for a decision.', { n: held })]);
  if (parked) found.push(['warn', t('{n} items could not be done.', { n: parked })]);
  return found;
}

async function readiness() {
  const answer = await fetch('/readyz').catch(() => null);
  if (answer?.ok) return { ok: true };
  return { ok: false, why: answer ? (await answer.text()).slice(0, 300) : t('no answer') };
}

export async function overview(draw, focus) {
  const [status, ready, subscriptions, held, parked, environments] = await Promise.all([
    get('/status'), readiness(), get('/subscriptions?limit=50'), get('/held?limit=100'), get('/parked?limit=100'), get('/environments')]);
  const found = reasons({ status, ready, subscriptions: subscriptions.items, held: held.items.length, parked: parked.items.length, environments: environments.items });
  const worst = found.some(([kind]) => kind === 'bad') ? ['bad', t('needs you')] : found.length ? ['warn', t('look at it')] : ['good', t('all is well')];
  const more = (list) => `${number(list.items.length)}${list.next_cursor ? '+' : ''}`;
  const people = Object.entries(status.users).filter(([, count]) => count > 0);
  show(t('Overview'), [
    h('h1', {}, t('Overview')),
    card(h('h2', {}, t('Health'), ' ', tag(worst[1], worst[0])),
      found.length ? h('ul', { id: 'reasons' }, found.map(([kind, text, user]) => h('li', {}, tag(kind === 'bad' ? t('problem') : t('attention'), kind), ' ', user ? h('a', { href: `#/users/${user}` }, text) : text)))
        : h('p', {}, t('Every link works, nothing waits, nothing ends soon.'))),
    h('div', { class: 'grid' },
      card(h('h2', {}, t('Users')), people.length ? numbers(people.map(([name, count]) => [state(name)[0], number(count)])) : empty(t('No user yet. Employees switch their link on themselves, or you activate them.')),
        h('div', { class: 'actions' }, h('a', { class: 'button', href: '#/users' }, t('All users')))),
      card(h('h2', {}, t('What waits')), numbers([[t('held'), more(held)], [t('failing'), more(parked)], [t('changes on their way'), number(status.backlog.reduce((sum, one) => sum + one.hints, 0))], [t('longest wait'), span(Math.max(0, ...status.backlog.map((one) => one.lag_ms)))]]),
        h('div', { class: 'actions' }, h('a', { class: 'button', href: '#/care' }, t('Decide')))),
    ),
    card(h('h2', {}, t('Environments')), table(t('Environments'), [t('Environment'), t('Organisation'), t('Changes on their way'), t('Longest wait')], environments.items.map((one) => {
      const waits = status.backlog.find((backlog) => backlog.environment === one.id);
      return [one.id, one.organization_id || '–', number(waits?.hints || 0), span(waits?.lag_ms || 0)];
    }))),
    card(h('h2', {}, t('Subscriptions at Microsoft')), h('p', { class: 'small quiet' }, t('The one that ends first stands first; each is renewed well before.')),
      subscriptions.items.length ? table(t('Subscriptions at Microsoft'), [t('User'), t('Ends'), t('Last looked after')], subscriptions.items.slice(0, 20).map((one) => [h('a', { href: `#/users/${one.user_id}` }, one.user_id), h('span', { title: time(one.expires_at) }, ago(one.expires_at)), ago(one.checked_at)]))
        : empty(t('None.'))),
    h('p', { class: 'small quiet' }, t('Version {version}', { version: status.version })),
  ], { focus });
  return 10000;
}

/** The settings in force. */
export async function settings(draw, focus) {
  const { settings: shown } = await get('/settings');
  const sections = new Map();
  for (const [key, value] of Object.entries(shown)) {
    const section = key.startsWith('sync.fields.') ? 'sync.fields' : key.split('.')[0];
    sections.set(section, [...(sections.get(section) || []), [h('code', {}, key), h('code', {}, value === '' ? '–' : value)]]);
  }
  show(t('Settings'), [h('h1', {}, t('Settings')), h('p', { class: 'lead' }, t('As they are in force. They are changed in the configuration; secrets never show here.')),
    shown['sync.shadow'] === 'true' && notice(t('Shadow mode: everything is planned, nothing is written.'), 'warn'),
    h('div', { class: 'grid' }, [...sections].map(([name, pairs]) => card(h('h2', {}, h('code', {}, `[${name}]`)), facts(pairs))))], { focus });
  return null;
}

