// An employee's own link: switched on, granted, previewed, started; then its state.
import { get, post } from './api.js';
import { button, card, empty, facts, h, notice, numbers, question, rule, show, table, tag } from './dom.js';
import { ago, field, number, ruleSentence, sentence, state, t, time } from './words.js';
import { auditLines } from './audit.js';

/** What changes by itself is looked at again so often, in milliseconds. */
const AGAIN = 2000;

const logo = () => h('div', { class: 'logo', 'aria-hidden': 'true' }, h('i'), h('i'), h('i'), h('i'));

function product(user, draw) {
  const on = Boolean(user) && user.state !== 'disconnected';
  const toggle = h('button', {
    type: 'button', role: 'switch', id: 'contacts-switch', 'aria-checked': on ? 'true' : 'false', 'aria-labelledby': 'contacts-label',
    onclick: async () => {
      if (on) {
        if (!(await question(t('Your Outlook contacts stay as they are. Changes no longer reach the other side.'), t('Disconnect'), true))) return;
        await post('/me/commands/disconnect', {});
      } else {
        await post('/me/activate');
      }
      draw();
    },
  });
  const [word, kind] = user ? state(user.state) : [t('off'), ''];
  return card(
    h('div', { class: 'product' }, logo(),
      h('div', {}, h('h2', {}, 'Microsoft 365'), h('p', { class: 'quiet' }, t('The people you look after in Tribe CRM, in your Outlook address book and on your phone.')), tag(word, kind))),
    h('div', { class: 'switch' }, h('div', {}, h('b', { id: 'contacts-label' }, t('Contacts')), h('div', { class: 'small quiet' }, t('Keep contacts in step, both ways'))), toggle));
}

const STEPS = ['Switch on', 'Grant permissions', 'Preview', 'Start'];

function steps(at) {
  return h('ol', { class: 'steps', 'aria-label': t('Activation') }, STEPS.map((name, index) => h('li', {
    class: index < at ? 'done' : null, 'aria-current': index === at ? 'step' : null,
  }, t(name))));
}

function grant(draw, again) {
  const go = async () => {
    const answer = await post('/me/activate');
    if (answer.consent_url) location.assign(answer.consent_url);
    else draw();
  };
  return card(h('h2', {}, again ? t('Sign in at Microsoft again') : t('Grant permissions')),
    h('p', {}, again ? t('Microsoft no longer lets this link in. Nothing is lost: after you sign in it catches up.')
      : t('Microsoft asks whether this link may read and write your contacts. Leave every right ticked.')),
    h('div', { class: 'actions' }, button(t('Grant permissions at Microsoft'), go, { main: true, id: 'grant' })));
}

const ACTIONS = { create: ['create', 'good'], adopt: ['adopt', ''], skip: ['leave out', 'warn'] };

async function previewCard(draw, has) {
  const preview = has ? await get('/me/preview') : null;
  const ask = button(preview ? t('Look again') : t('Show the preview'), () => post('/me/commands/preview'), { then: () => draw(), id: 'preview', main: !preview });
  const parts = [h('h2', {}, t('What the first sync will do'))];
  if (!preview) parts.push(h('p', {}, t('Nothing is written before you start. Look first at who will come into your address book.')), h('div', { class: 'actions' }, ask));
  else if (preview.state === 'running') parts.push(progress(preview.progress, t('Looking at both sides')));
  else {
    parts.push(numbers([[t('create'), number(preview.create)], [t('adopt'), number(preview.adopt)], [t('leave out'), number(preview.skip)]]));
    const rows = preview.items.map((item) => {
      const [word, kind] = ACTIONS[item.action] || [item.action, ''];
      return [h('a', { href: `#/person/${item.person_id}` }, preview.names[item.person_id] || item.person_id), tag(t(word), kind), h('span', {}, rule(item.rule, ruleSentence(item.rule)), ' ', sentence(item.reason))];
    });
    parts.push(rows.length ? table(t('Preview'), [t('Person'), t('What happens'), t('Why')], rows) : empty(t('Nobody in Tribe names you as relationship manager or owner yet.')));
    if (preview.next_cursor) parts.push(h('p', { class: 'small quiet' }, t('The first {n} of {all}.', { n: preview.items.length, all: preview.total })));
    parts.push(h('div', { class: 'actions' }, button(t('Save and start'), () => post('/me/commands/start'), { main: true, then: () => draw(), done: t('The first sync has begun.'), id: 'start' }), ask));
  }
  return [card(...parts), preview?.state === 'running'];
}

function progress(pair, text) {
  const [done, total] = [pair?.done || 0, pair?.total || 0];
  const share = total ? Math.round((100 * done) / total) : 0;
  return h('div', { id: 'progress' }, h('p', { id: 'progress-text' }, total ? `${text}: ${number(done)} / ${number(total)}` : text),
    h('progress', { max: 100, value: total ? share : null, 'aria-labelledby': 'progress-text' }));
}

/** Held changes, each with both values and the decision. */
export function heldList(items, decide, who) {
  return items.map((item) => card(
    h('h3', { id: `held-${item.id}` }, who(item), ' ', rule(item.rule, ruleSentence(item.rule))),
    h('p', { class: 'small quiet' }, `${ruleSentence(item.rule)} · ${ago(item.since)}`),
    table(t('Held change'), [t('Field'), 'Tribe', 'Outlook'], item.fields.map((one) => [field(one.name), one.tribe ?? '–', one.outlook ?? '–'])),
    item.decision ? notice(t('Decided; it is being carried out.'))
      : h('div', { class: 'actions' },
        button(t("Take Outlook's"), () => decide(item, 'accept'), { main: true, done: t('Decided.') }),
        button(t("Keep Tribe's"), () => decide(item, 'reject'), { done: t('Decided.') }))));
}

function stateCard(user, draw) {
  const run = (name, options = {}) => button(options.text, () => post(`/me/commands/${name}`, options.body || {}), { then: () => draw(), ...options });
  const live = user.state === 'live' || user.state === 'first_sync';
  return card(h('h2', {}, t('Your link')),
    numbers([[t('in step'), number(user.counts.in_sync)], [t('asleep'), number(user.counts.sleeping)], [t('held'), number(user.counts.held)], [t('failing'), number(user.counts.failing)]]),
    facts([[t('Mailbox'), user.mailbox || '–'], [t('Last proven in step'), user.last_proven_at ? `${ago(user.last_proven_at)} (${time(user.last_proven_at)})` : t('never')], user.backlog > 0 && [t('Waiting changes'), number(user.backlog)]]),
    h('div', { class: 'actions' },
      live && run('pause', { text: t('Pause'), done: t('Paused. Changes wait until you resume.'), id: 'pause' }),
      user.state === 'paused' && run('resume', { text: t('Resume'), main: true, done: t('It goes on.'), id: 'resume' }),
      live && run('resync', { text: t('Compare everything now'), done: t('Both sides are being compared.') }),
      run('disconnect', { text: t('Disconnect'), danger: true, done: t('Disconnected.'), ask: t('Your Outlook contacts stay as they are. Changes no longer reach the other side.'), id: 'disconnect' })));
}

export async function own(draw, focus) {
  const me = await get('/me');
  const user = me.user;
  const parts = [h('h1', {}, t('Your contacts')), h('p', { class: 'lead' }, t('Hello {name}.', { name: me.name }), ' ', t('Here you see whether Tribe CRM and your Outlook say the same.'))];
  let again = false;
  const at = { invited: 1, consented: 2, first_sync: 4 }[user?.state];
  if (!user || user.state === 'disconnected') parts.push(steps(0));
  else if (at !== undefined) parts.push(steps(at));
  parts.push(product(user, draw));
  if (user?.reason === 'employee_left') parts.push(notice(t('Your employee record in Tribe is former: the link was stopped.'), 'bad'));
  if (user?.state === 'invited') parts.push(grant(draw, false));
  if (user?.state === 'needs_consent') parts.push(grant(draw, true));
  if (user?.state === 'consented') {
    const [made, runs] = await previewCard(draw, me.has_preview);
    parts.push(made);
    again = runs;
  }
  if (user?.state === 'first_sync') {
    parts.push(card(h('h2', {}, t('The first sync runs')), progress(user.progress, t('People done')), h('p', { class: 'small quiet' }, t('You may leave this page: it goes on by itself.'))));
    again = true;
  }
  if (user?.state === 'braked') parts.push(notice(t('Too many contacts would have changed at once. Your administrator looks at it first.'), 'warn'));
  if (['live', 'first_sync', 'paused', 'braked', 'needs_consent'].includes(user?.state)) {
    parts.push(stateCard(user, draw));
    const held = await get('/me/held');
    if (held.items.length) {
      const decide = async (item, decision) => { const done = await post(`/me/held/${item.id}/${decision}`); draw(); return done; };
      parts.push(h('h2', {}, t('Waiting for your decision')), heldList(held.items, decide, (item) => h('a', { href: `#/person/${item.person_id}` }, t('A change of a contact'))));
    }
    const recent = await get('/me/audit?limit=10');
    parts.push(card(h('h2', {}, t('What changed lately')), await auditLines(recent.items, { draw, own: true }), h('div', { class: 'actions' }, h('a', { class: 'button', href: '#/contacts' }, t('All your contacts')))));
    again = again || user.backlog > 0 || held.items.some((item) => item.decision);
  }
  show(t('Your contacts'), parts, { narrow: true, focus });
  return again ? AGAIN : 15000;
}

/** Everybody in one's own address book. */
export async function contacts(draw, focus, [cursor]) {
  const page = await get(`/me/links${cursor ? `?cursor=${cursor}` : ''}`);
  const { linkState } = await import('./words.js');
  const rows = page.items.map((link) => [h('a', { href: `#/person/${link.person_id}` }, page.names[link.person_id] || link.person_id), tag(...linkState(link.state))]);
  show(t('All your contacts'), [h('p', {}, h('a', { href: '#/' }, `← ${t('Your contacts')}`)), h('h1', {}, t('All your contacts')),
    rows.length ? card(table(t('All your contacts'), [t('Person'), t('State')], rows)) : empty(t('Nobody yet.')),
    page.next_cursor && h('a', { class: 'button', href: `#/contacts/${page.next_cursor}` }, t('Further'))], { narrow: true, focus });
  return null;
}
