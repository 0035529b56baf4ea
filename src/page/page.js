// The page: who is signed in, which view, and when to look again.
import { refresh, session, signOut } from './api.js';
import { act, card, h, say, show } from './dom.js';
import { language, speak, t } from './words.js';
import { audit } from './audit.js';
import { care } from './care.js';
import { overview, settings } from './overview.js';
import { contacts, own } from './own.js';
import { people } from './people.js';
import { person } from './person.js';
import { signIn } from './sign_in.js';
import { user, users } from './users.js';

const EMPLOYEE = { '': own, contacts, person };
const ADMIN = { overview, users, 'users-in': users, people, care, audit, settings, person };

/** The view of an address: its function and what follows in the address. */
function view() {
  const [name, ...rest] = location.hash.replace(/^#\/?/, '').split('/').map(decodeURIComponent);
  if (session.is_employee) return [EMPLOYEE[name] || own, rest, name];
  if (name === 'users' && rest.length) return [user, rest, name];
  return [ADMIN[name] || overview, rest, name || 'overview'];
}

const NAV = [['overview', 'Overview'], ['users', 'Users'], ['people', 'People'], ['care', 'Decide'], ['audit', 'Audit'], ['settings', 'Settings']];

function top(name) {
  const links = session.role ? NAV : [];
  const other = language() === 'nl' ? ['en', 'English'] : ['nl', 'Nederlands'];
  const bar = h('div', { class: 'bar' },
    h('a', { class: 'brand', href: '#/' }, h('img', { src: '/assets/icon.svg', alt: '' }), 'tribelink'),
    links.length ? h('nav', { 'aria-label': t('Main') }, links.map(([key, text]) => h('a', { href: `#/${key}`, 'aria-current': name.startsWith(key) ? 'page' : null }, t(text)))) : null,
    h('div', { class: 'who' },
      session.signed_in && h('span', {}, session.name),
      h('button', { type: 'button', class: 'small', id: 'language', lang: other[0], onclick: () => { speak(other[0]); draw(); } }, other[1]),
      session.signed_in && h('button', { type: 'button', class: 'small', id: 'sign-out', onclick: async (event) => { await act(event.currentTarget, signOut); location.hash = ''; draw(true); } }, t('Sign out'))));
  const kept = document.activeElement?.id;
  document.getElementById('top').replaceChildren(bar);
  if (kept === 'language') document.getElementById(kept)?.focus();
  document.getElementById('skip').textContent = t('Skip to content');
}

let waiting;
let turn = 0;

/** Draws the view of the address, and again when it says so. A question or a field in use is not disturbed. */
export async function draw(focus = false) {
  clearTimeout(waiting);
  turn += 1;
  const mine = turn;
  const [build, rest, name] = view();
  top(name);
  if (!session.signed_in) {
    signIn(draw);
    return;
  }
  let again = null;
  try {
    again = await build((strong) => draw(strong === true), focus, rest);
  } catch (error) {
    if (error.status === 401) {
      await refresh();
      if (!session.signed_in) {
        say(t('Your session has ended. Sign in again.'), true);
        signIn(draw);
        return;
      }
    }
    if (focus || !document.querySelector('main h1')) show(t('Not shown'), [h('h1', {}, t('This cannot be shown now')), card(h('p', {}, t(error.message)), h('div', { class: 'actions' }, h('button', { type: 'button', onclick: () => draw(true) }, t('Try again'))))], { focus });
    again = 10000;
  }
  if (again && mine === turn) waiting = setTimeout(look, again);
}

function look() {
  const busy = document.querySelector('dialog[open]') || document.hidden || document.activeElement?.matches('main input, main select');
  if (busy) waiting = setTimeout(look, 2000);
  else draw();
}

addEventListener('hashchange', () => draw(true));
try {
  await refresh();
} catch (error) {
  say(t(error.message), true);
}
await draw();
