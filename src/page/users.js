// Users for administrators: the list, and one of them with everything that can be done.
import { all, get, may, names, post } from './api.js';
import { act, button, card, empty, facts, h, notice, numbers, say, show, table, tag } from './dom.js';
import { ago, linkState, number, span, state, t, time } from './words.js';
import { auditLines } from './audit.js';

const STATES = ['invited', 'consented', 'first_sync', 'live', 'paused', 'needs_consent', 'braked', 'disconnected'];

export async function users(draw, focus, [wanted]) {
  const found = await all('/users');
  const shown = found.filter((user) => !wanted || user.state === wanted);
  const rows = shown.slice(0, 200).map((user) => [h('a', { href: `#/users/${user.id}` }, user.mailbox || user.id), tag(...state(user.state)), user.environment, ago(user.created_at)]);
  const filter = h('label', {}, t('State'), h('select', { id: 'state', onchange: (event) => { location.hash = `#/users-in/${event.target.value}`; } },
    h('option', { value: '' }, t('every state')), STATES.map((name) => h('option', { value: name, selected: name === wanted }, state(name)[0]))));
  const address = h('input', { type: 'text', id: 'address', autocomplete: 'off', spellcheck: 'false', required: true });
  const invite = may('admin') && h('form', {
    onsubmit: async (event) => {
      event.preventDefault();
      const made = await act(event.submitter, () => post('/users', { employee_email: address.value.trim(), return_to: '/' }));
      if (!made) return;
      if (made.consent_url) link.replaceChildren(notice(t('Send this link to the employee; it works until {time}.', { time: time(made.expires_at) }), 'good', h('p', {}, h('code', {}, made.consent_url))));
      else say(t('This employee is activated already.'));
    },
  }, h('label', { for: 'address' }, t("The employee's e-mail address"), address), h('div', { class: 'actions' }, h('button', { type: 'submit' }, t('Make a link'))));
  const link = h('div', { 'aria-live': 'polite' });
  show(t('Users'), [h('h1', {}, t('Users')), card(h('div', { class: 'filters' }, filter),
    rows.length ? table(t('Users'), [t('User'), t('State'), t('Environment'), t('Activated')], rows) : empty(t('Nobody.')),
    shown.length > rows.length && h('p', { class: 'small quiet' }, t('The first {n} of {all}.', { n: rows.length, all: shown.length }))),
  invite && card(h('h2', {}, t('Activate an employee')), invite, link)], { focus });
  return null;
}

function actions(user, draw) {
  const run = (name, text, options = {}) => button(text, () => post(`/users/${user.id}/${name}`, options.body || {}), { then: () => draw(), id: name, ...options });
  const is = (...names) => names.includes(user.state);
  const made = [
    is('braked') && may('operator') && run('release', t('Release the brake'), { main: true, done: t('Released for one pass.'), ask: t('The next pass may change {n} of {all} contacts. Look at them first.', { n: number(user.braked?.changes || 0), all: number(user.braked?.links || 0) }) }),
    is('consented') && may('admin') && run('start', t('Start'), { main: true, done: t('The first sync has begun.') }),
    is('consented') && may('operator') && run('preview', t('Preview'), { done: t('The preview is being made.') }),
    is('live', 'first_sync') && may('operator') && run('pause', t('Pause'), { done: t('Paused. Changes wait until you resume.') }),
    is('paused') && may('operator') && run('resume', t('Resume'), { main: true, done: t('It goes on.') }),
    is('live') && may('operator') && run('resync', t('Compare everything now'), { done: t('Both sides are being compared.') }),
    !is('disconnected') && may('admin') && button(t('Send link'), () => post(`/users/${user.id}/consent`), { then: (link) => document.getElementById('fresh-link')?.replaceChildren(notice(t('Send this link to the employee; it works until {time}.', { time: time(link.expires_at) }), 'good', h('p', {}, h('code', {}, link.consent_url)))) }),
    !is('disconnected') && may('admin') && run('disconnect', t('Disconnect'), { danger: true, done: t('Disconnected.'), ask: t('The tokens are erased at once, the links sleep; contacts stay as they are.') }),
  ].filter(Boolean);
  return made.length ? h('div', { class: 'actions' }, made) : null;
}

function progress(pair) {
  if (!pair || !pair.total) return null;
  return h('div', {}, h('p', { id: 'progress-text' }, `${t('People done')}: ${number(pair.done)} / ${number(pair.total)}`), h('progress', { max: pair.total, value: pair.done, 'aria-labelledby': 'progress-text' }));
}

// What the canary proved: when a value last arrived on each way, and whether one is late.
function proofs(canary) {
  const ways = [[t('Proven to Outlook'), canary?.to_outlook], [t('Proven to Tribe'), canary?.to_tribe]];
  return ways.filter(([, way]) => way).map(([name, way]) => [name, `${way.proven_at ? ago(way.proven_at) : t('never')}${way.standing === 'late' ? ` · ${t('a value is late')}` : ''}`]);
}

export async function user(draw, focus, [id, cursor]) {
  const [one, links, lines] = await Promise.all([get(`/users/${id}`), get(`/users/${id}/links?limit=50${cursor ? `&cursor=${cursor}` : ''}`), get(`/audit?user=${id}&limit=10`)]);
  const known = await names(id, links.items.map((link) => link.person_id));
  const rows = links.items.map((link) => [h('a', { href: `#/person/${link.person_id}/${id}` }, known.get(link.person_id) || link.person_id), tag(...linkState(link.state))]);
  show(one.mailbox || t('User'), [
    h('p', {}, h('a', { href: '#/users' }, `← ${t('Users')}`)),
    h('h1', {}, one.mailbox || one.id), h('p', { class: 'lead' }, tag(...state(one.state)), one.reason && h('span', {}, ' ', t(one.reason))),
    one.state === 'braked' && notice(t('One pass would have unlinked or emptied {n} of {all} contacts. Nothing of it was written.', { n: number(one.braked?.changes || 0), all: number(one.braked?.links || 0) }), 'warn'),
    card(numbers([[t('in step'), number(one.counts.in_sync)], [t('asleep'), number(one.counts.sleeping)], [t('held'), number(one.counts.held)], [t('failing'), number(one.counts.failing)]]),
      progress(one.state === 'first_sync' && one.progress),
      facts([[t('Last proven in step'), one.last_proven_at ? `${ago(one.last_proven_at)} (${time(one.last_proven_at)})` : t('never')], [t('Subscription ends'), one.subscription_expires_at ? ago(one.subscription_expires_at) : '–'],
        ...proofs(one.canary), [t('Changes on their way'), `${number(one.backlog)}${one.lag_ms > 1000 ? ` · ${t('the oldest for {time}', { time: span(one.lag_ms) })}` : ''}`], [t('Environment'), one.environment], [t('Employee'), h('code', {}, one.employee_id)], [t('Activated'), time(one.created_at)]]),
      actions(one, draw), h('div', { id: 'fresh-link', 'aria-live': 'polite' })),
    card(h('h2', {}, t('People')), may('operator') && h('div', { class: 'actions' }, h('a', { class: 'button', href: `#/people/${id}` }, t('Look for a person'))), rows.length ? table(t('People'), [t('Person'), t('State')], rows) : empty(t('Nobody yet.')),
      links.next_cursor && h('div', { class: 'actions' }, h('a', { class: 'button', href: `#/users/${id}/${links.next_cursor}` }, t('Further')))),
    card(h('h2', {}, t('What was written')), await auditLines(lines.items, { draw }), h('div', { class: 'actions' }, h('a', { class: 'button', href: `#/audit/${encodeURIComponent(`user=${id}`)}` }, t('All of it')))),
  ], { focus });
  return one.state === 'first_sync' || one.backlog ? 2000 : 10000;
}
