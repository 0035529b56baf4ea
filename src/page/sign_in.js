// The way in: employees at Tribe or Microsoft, administrators at their issuer or with a token.
import { session, signInByToken } from './api.js';
import { act, card, h, show } from './dom.js';
import { t } from './words.js';

export function signIn(draw) {
  const ways = session.ways;
  const employee = ways.employee === 'tribe' ? t('Sign in with Tribe CRM') : t('Sign in with Microsoft');
  const input = h('input', { id: 'token', type: 'password', autocomplete: 'off', required: true, spellcheck: 'false', 'aria-describedby': 'token-help' });
  const byToken = h('form', {
    onsubmit: async (event) => {
      event.preventDefault();
      const done = await act(event.submitter, () => signInByToken(input.value.trim()));
      if (done) { location.hash = '#/overview'; draw(true); }
    },
  },
  h('label', { for: 'token' }, t('Token of the admin API'), input),
  h('p', { id: 'token-help', class: 'small quiet' }, t('The value of security.admin_token, or one of security.admin_tokens.')),
  h('div', { class: 'actions' }, h('button', { type: 'submit' }, t('Sign in with the token'))));
  // Several organisations: whose employee somebody is must be known before Tribe or Microsoft is asked.
  const several = ways.environments?.length > 1;
  const where = (event) => `/oauth/tribe/start${several ? `?environment=${encodeURIComponent(event.value)}` : ''}`;
  const chosen = several && h('select', { id: 'environment', onchange: (event) => { enter.href = where(event.target); } }, ways.environments.map((name) => h('option', { value: name }, name)));
  const enter = h('a', { class: 'button main', id: 'employee', href: several ? where({ value: ways.environments[0] }) : '/oauth/tribe/start' }, employee);
  show(t('Sign in'), [
    h('h1', {}, t('Your contacts, the same in Tribe CRM and Outlook')),
    h('p', { class: 'lead' }, t('Everyone you look after in Tribe stands in your Outlook address book, and what you change on either side reaches the other.')),
    card(h('h2', {}, t('For employees')), h('p', {}, t('Connect your own mailbox, see what is kept in step, pause or stop it.')),
      chosen && h('label', { for: 'environment' }, t('Your organisation'), chosen),
      h('div', { class: 'actions' }, enter)),
    card(h('h2', {}, t('For administrators')), h('p', {}, t('Watch over the links of everybody, decide what waits, take changes back.')),
      ways.openid && h('div', { class: 'actions' }, h('a', { class: 'button main', href: '/login/start' }, t('Sign in as administrator'))),
      ways.token && (ways.openid ? h('details', {}, h('summary', {}, t('Sign in with a token instead')), byToken) : byToken)),
  ], { narrow: true, focus: false });
}
