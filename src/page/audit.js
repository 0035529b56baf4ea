// What was written: lines with rule and cause, filters, export, undo.
import { get, may, namesOf, post, session } from './api.js';
import { button, card, empty, h, rule, show, tag } from './dom.js';
import { ago, cause, field, ruleSentence, rules, sentence, t, time, way } from './words.js';

const NOTES = {
  created: 'contact made', adopted: 'contact adopted', 'found again': 'contact found again', unlinked: 'link ended', asleep: 'link fell asleep',
  awake: 'link woke', flagged: 'marked: looks like another card', closed: 'link closed', linked: 'linked', disconnected: 'disconnected', forgotten: 'forgotten',
  'no longer eligible': 'no longer eligible',
};

function change(one) {
  if (one.before === null && one.after === null && one.lost === null) return h('div', {}, field(one.name));
  return h('div', {}, h('b', {}, field(one.name)), ' ', h('span', { class: 'was' }, one.before || t('empty')), h('span', { class: 'arrow', 'aria-label': t('became') }, '→'),
    h('span', {}, one.after || t('empty')), one.lost && h('span', { class: 'small quiet' }, ` · ${t('lost: {value}', { value: one.lost })}`));
}

function note(text) {
  if (NOTES[text]) return t(NOTES[text]);
  return sentence(text);
}

/** Lines of the audit as a time line, newest first. */
export async function auditLines(items, { draw, own = false, person = false } = {}) {
  if (!items.length) return empty(t('Nothing was written yet.'));
  const known = own || person ? new Map() : await namesOf(items);
  const undo = (item) => (own ? post(`/me/audit/${item.id}/undo`) : post(`/audit/${item.id}/undo`));
  const allowed = own || may('operator');
  return h('ol', { class: 'line' }, items.map((item) => h('li', { id: `line-${item.id}` },
    h('div', {}, tag(way(item.direction)), ' ', rule(item.rule, ruleSentence(item.rule)), ' ', item.note && h('span', {}, note(item.note))),
    !person && item.person_id && h('div', {}, h('a', { href: own ? `#/person/${item.person_id}` : `#/person/${item.person_id}/${item.user_id}` }, known.get(item.person_id) || (own ? t('Show this person') : item.person_id))),
    item.fields.slice(0, 8).map(change), item.fields.length > 8 && h('div', { class: 'small quiet' }, t('and {n} more fields', { n: item.fields.length - 8 })),
    h('div', { class: 'small quiet' }, h('time', { datetime: item.at, title: time(item.at) }, ago(item.at)), ` · ${t('because of {cause}', { cause: cause(item.cause) })} · ${ruleSentence(item.rule)}`),
    allowed && item.undoable && h('div', { class: 'actions' }, button(t('Undo'), () => undo(item), {
      small: true, id: `undo-${item.id}`, done: t('It is being taken back on both sides; what somebody changed since stays.'),
      ask: t('The former values come back in Tribe and in Outlook. Fields that somebody changed since stay as they are.'), then: () => setTimeout(() => draw?.(), 1500),
    })))));
}

function query(form) {
  const asked = new URLSearchParams();
  for (const [name, value] of new FormData(form)) {
    if (!value) continue;
    asked.set(name, name === 'since' || name === 'until' ? new Date(value).toISOString() : value);
  }
  return asked;
}

/** The audit with its filters. */
export async function audit(draw, focus, [given]) {
  const asked = new URLSearchParams(given || '');
  const page = await get(`/audit?limit=50&${asked}`);
  const local = (name) => (asked.get(name) ? new Date(new Date(asked.get(name)) - new Date().getTimezoneOffset() * 60000).toISOString().slice(0, 16) : null);
  const form = h('form', { class: 'filters', onsubmit: (event) => { event.preventDefault(); location.hash = `#/audit/${encodeURIComponent(query(form))}`; } },
    h('label', {}, t('User (id)'), h('input', { type: 'text', name: 'user', value: asked.get('user'), spellcheck: 'false' })),
    h('label', {}, t('Person (id)'), h('input', { type: 'text', name: 'person', value: asked.get('person'), spellcheck: 'false' })),
    h('label', {}, t('Rule'), h('select', { name: 'rule' }, h('option', { value: '' }, t('every rule')), Object.keys(rules).map((code) => h('option', { value: code, selected: asked.get('rule') === code }, code)))),
    h('label', {}, t('From'), h('input', { type: 'datetime-local', name: 'since', value: local('since') })),
    h('label', {}, t('Until'), h('input', { type: 'datetime-local', name: 'until', value: local('until') })),
    h('div', { class: 'actions' }, h('button', { type: 'submit', class: 'main' }, t('Filter')), h('a', { class: 'button', href: `/api/v1/audit.csv?${asked}`, download: 'tribelink-audit.csv' }, t('Export as CSV'))));
  const range = Object.fromEntries([['user_id', asked.get('user')], ['person_id', asked.get('person')], ['from', asked.get('since')], ['to', asked.get('until')]].filter(([, value]) => value));
  const canUndo = may('operator') && (range.person_id || range.from) && !asked.get('rule');
  const undoAll = canUndo && button(t('Undo everything in this range'), () => post('/undo', range), { danger: true, done: t('It is being taken back on both sides; what somebody changed since stays.'), ask: t('The former values come back in Tribe and in Outlook. Fields that somebody changed since stay as they are.') });
  const next = new URLSearchParams(asked);
  if (page.next_cursor) next.set('cursor', page.next_cursor);
  show(t('Audit'), [h('h1', {}, t('Audit')), h('p', { class: 'lead' }, t('Every write and every change of a link, with the rule that chose it.'), ' ', session.role === 'viewer' ? t('Values are not shown to viewers.') : ''),
    card(form, undoAll && h('div', { class: 'actions' }, undoAll)), card(await auditLines(page.items, { draw })),
    page.next_cursor && h('a', { class: 'button', href: `#/audit/${encodeURIComponent(next)}` }, t('Older'))], { focus });
  return null;
}
