// One person: both cards side by side, why it is as it is, what was written, undo.
import { get, may, session } from './api.js';
import { card, empty, h, notice, rule, show, table, tag } from './dom.js';
import { direction, field, linkState, ruleSentence, sentence, t } from './words.js';
import { auditLines } from './audit.js';

const CONDITIONS = {
  user_live: 'The user is live', person_exists: 'The person exists', relationship_not_former: 'The relationship is not former',
  relationship_names_employee: 'The relationship names the employee', relationship_eligible: 'The person is eligible', link: 'There is a link',
  contact_present: 'The contact is there', not_held: 'Nothing waits', last_attempt: 'The last attempt',
};

function base(stands) {
  if (stands === null) return null;
  return stands ? h('span', { class: 'stands', role: 'img', 'aria-label': t('as when last in step'), title: t('as when last in step') }, '✓') : h('b', { class: 'small' }, ` · ${t('changed since')}`);
}

function sides(cards) {
  const rows = cards.fields.map((one) => {
    const [sign, words] = direction(one.direction);
    const differs = one.tribe_stands === false || one.outlook_stands === false;
    return { kind: differs ? 'differs' : null, cells: [field(one.name), h('span', {}, one.tribe ?? '–', base(one.tribe_stands)), h('span', { class: 'nowrap' }, sign, h('span', { class: 'small quiet' }, ` ${words}`)), h('span', {}, one.outlook ?? '–', base(one.outlook_stands))] };
  });
  return [table(t('Both cards'), [t('Field'), 'Tribe CRM', t('Direction'), 'Outlook'], rows), cards.link && h('p', { class: 'small quiet' }, h('span', { class: 'stands', 'aria-hidden': 'true' }, '✓'), ` ${t('as when last in step')}`)];
}

function explanation(explained) {
  const truths = explained.conditions.map((one) => h('li', {}, h('span', {}, tag(one.holds ? t('holds') : t('does not hold'), one.holds ? 'good' : 'bad')),
    h('span', {}, h('b', {}, t(CONDITIONS[one.name] || '') || field(one.name)), h('br'), h('span', { class: 'quiet' }, sentence(one.detail)))));
  return card(h('h2', {}, t('Why it is as it is')),
    h('p', { id: 'rule-now' }, rule(explained.rule), ' ', ruleSentence(explained.rule)),
    h('ul', { class: 'truth', id: 'conditions' }, truths),
    explained.would_sync_if.length ? [h('h3', {}, t('It would be kept in step if you')), h('ul', { id: 'would-sync-if' }, explained.would_sync_if.map((one) => h('li', {}, sentence(one))))]
      : notice(t('Nothing has to change: this person is kept in step.'), 'good'));
}

export async function person(draw, focus, [id, user]) {
  const own = !user && session.is_employee;
  let cards = null;
  let explained;
  let lines;
  let copies = [];
  if (own) {
    [{ cards, explanation: explained }, lines] = await Promise.all([get(`/me/people/${id}`), get(`/me/audit?person=${id}&limit=30`)]);
  } else {
    const where = await get(`/people/${id}`);
    copies = where.links;
    const whose = user || copies[0]?.user_id;
    if (!whose) {
      show(t('Person'), [h('h1', {}, t('Person')), empty(t('No user has this person.'))], { focus });
      return null;
    }
    [explained, cards, lines] = await Promise.all([get(`/people/${id}/explain?user=${whose}`), may('operator') ? get(`/people/${id}/cards?user=${whose}`) : null, get(`/audit?person=${id}&user=${whose}&limit=30`)]);
    user = whose;
  }
  const name = cards?.name || t('Person');
  const linked = cards ? cards.link === 'linked' : true;
  const both = cards ? card(h('h2', {}, t('Both cards')), sides(cards)) : notice(t('Values are not shown to viewers.'));
  const others = copies.filter((link) => link.user_id !== user);
  show(name, [
    h('p', {}, own ? h('a', { href: '#/contacts' }, `← ${t('All your contacts')}`) : h('a', { href: `#/users/${user}` }, `← ${t('User')}`)),
    h('h1', {}, name), h('p', { class: 'lead' }, tag(...linkState(cards ? cards.link : copies.find((link) => link.user_id === user)?.state)),
      cards && !cards.in_tribe && h('span', {}, ' ', t('Tribe no longer has this person.')), cards?.in_outlook === false && h('span', {}, ' ', t('Outlook no longer has this contact.'))),
    linked ? [both, explanation(explained)] : [explanation(explained), both],
    others.length ? card(h('h2', {}, t('Also in the Outlook of')), h('ul', {}, others.map((link) => h('li', {}, h('a', { href: `#/person/${id}/${link.user_id}` }, link.user_id), ' ', tag(...linkState(link.state)))))) : null,
    card(h('h2', {}, t('What was written')), await auditLines(lines.items, { draw, own, person: true })),
  ], { focus });
  return 20000;
}
