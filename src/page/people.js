// Looking for a person by name: in an environment, or for one user.
import { get, may, search } from './api.js';
import { act, card, empty, h, notice, show, table, tag } from './dom.js';
import { linkState, t } from './words.js';

function found(answer, user) {
  if (!answer.items.length) return empty(t('Tribe has nobody by that name.'));
  const rows = answer.items.map((one) => {
    const own = one.links.find((link) => link.user_id === user);
    const whose = user || one.links[0]?.user_id;
    const where = user ? tag(...linkState(own?.state)) : one.links.length > 1 ? t('in {n} address books', { n: one.links.length }) : one.links.length ? t('in one address book') : t('in no address book');
    return [whose ? h('a', { href: `#/person/${one.person_id}/${whose}` }, one.name) : h('span', {}, one.name), where];
  });
  return card(table(t('Found'), [t('Person'), 'Outlook'], rows),
    answer.more && notice(t('There are more: type more of the name.')),
    !user && h('p', { class: 'small quiet' }, t('Why somebody is in no address book is told on the page of a user: look for the person there.')));
}

/** The search, and what it found last: kept while the page is open, never longer. */
export async function people(draw, focus, [user]) {
  if (!may('operator')) {
    show(t('People'), [h('h1', {}, t('People')), notice(t('Names are not shown to viewers.'))], { focus });
    return null;
  }
  const [environments, whose] = user ? [[], await get(`/users/${user}`)] : [(await get('/environments')).items, null];
  const name = h('input', { type: 'search', id: 'name', autocomplete: 'off', spellcheck: 'false', required: true, minlength: 2, maxlength: 100 });
  const environment = environments.length > 1 && h('select', { id: 'environment' }, environments.map((one) => h('option', { value: one.id }, one.id)));
  const results = h('div', { id: 'found', 'aria-live': 'polite' });
  const form = h('form', {
    role: 'search',
    onsubmit: async (event) => {
      event.preventDefault();
      const asked = { name: name.value.trim() };
      if (user) asked.user_id = user;
      else asked.environment = environment ? environment.value : environments[0].id;
      const answer = await act(event.submitter, () => search(asked));
      if (answer) results.replaceChildren(found(answer, user));
    },
  },
  h('div', { class: 'filters' }, h('label', { for: 'name' }, t('Name, or a part of it'), name), environment && h('label', { for: 'environment' }, t('Environment'), environment),
    h('div', { class: 'actions' }, h('button', { type: 'submit', class: 'main' }, t('Look for')))));
  show(t('People'), [
    user && h('p', {}, h('a', { href: `#/users/${user}` }, `← ${t('User')}`)),
    h('h1', {}, user ? t('Why is somebody not in this address book?') : t('Look for a person')),
    h('p', { class: 'lead' }, whose?.mailbox ? `${whose.mailbox}. ` : '', t('Tribe is asked for this search; names are kept nowhere.')),
    card(form), results], { focus });
  return null;
}
