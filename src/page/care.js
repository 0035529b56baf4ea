// What waits for a person: held changes and parked items, one by one or all at once.
import { get, may, namesOf, post } from './api.js';
import { button, card, empty, h, show, table } from './dom.js';
import { ago, field, number, sentence, t } from './words.js';
import { heldList } from './own.js';

async function each(items, work) {
  let done = 0;
  for (const item of items) {
    await work(item);
    done += 1;
  }
  return done;
}

export async function care(draw, focus) {
  const [held, parked] = await Promise.all([get('/held?limit=100'), get('/parked?limit=100')]);
  const known = await namesOf([...held.items, ...parked.items]);
  const who = (item) => (item.person_id ? h('a', { href: `#/person/${item.person_id}/${item.user_id}` }, known.get(item.person_id) || item.person_id) : h('a', { href: `#/users/${item.user_id}` }, t('the mailbox as a whole')));
  const decide = async (item, decision) => { const done = await post(`/held/${item.id}/${decision}`); draw(); return done; };
  const open = held.items.filter((item) => !item.decision);
  const bulk = (decision, text, chief) => button(text, () => each(open, (item) => post(`/held/${item.id}/${decision}`)), {
    main: chief, then: () => draw(), done: t('Decided.'), ask: t('This decides {n} changes at once.', { n: number(open.length) }), id: `all-${decision}`,
  });
  const retry = (item) => button(t('Try again'), () => post(`/parked/${item.id}/retry`), { small: true, then: () => draw(), done: t('It is being tried again.') });
  const rows = parked.items.map((item) => [who(item), h('span', {}, field(item.field || ''), item.field ? ': ' : '', sentence(item.reason)), `${number(item.attempts)} ×`, ago(item.since), may('operator') ? retry(item) : '']);
  show(t('Decide'), [
    h('h1', {}, t('What waits for a decision')),
    h('p', { class: 'lead' }, t('Held changes wait until somebody says which value counts; everything else of the same person goes on.')),
    open.length > 1 && may('operator') && card(h('h2', {}, t('All {n} at once', { n: number(open.length) })), h('div', { class: 'actions' }, bulk('accept', t("Take Outlook's"), true), bulk('reject', t("Keep Tribe's"), false))),
    h('h2', {}, t('Held changes')), held.items.length ? heldList(held.items, decide, who) : empty(t('Nothing is held.')),
    h('h2', {}, t('What could not be done')),
    rows.length ? card(table(t('What could not be done'), [t('Person'), t('Why'), t('Tried'), t('Since'), t('Action')], rows),
      may('operator') && rows.length > 1 && h('div', { class: 'actions' }, button(t('Try all again'), () => each(parked.items, (item) => post(`/parked/${item.id}/retry`)), { then: () => draw(), done: t('It is being tried again.') })))
      : empty(t('Nothing is parked.')),
  ], { focus });
  return held.items.some((item) => item.decision) ? 2000 : 15000;
}

