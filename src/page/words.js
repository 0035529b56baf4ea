// The language of the page: English texts are the keys, other languages have a table each.
import { patterns, table } from './nl.js';

const KEY = 'tribelink-language';

function stored() {
  try { return localStorage.getItem(KEY); } catch { return null; }
}

/** What the user chose, else the first of the browser's languages that there is. */
function choose() {
  const chosen = stored();
  if (chosen === 'nl' || chosen === 'en') return chosen;
  for (const language of navigator.languages || [navigator.language]) {
    const short = language.slice(0, 2).toLowerCase();
    if (short === 'nl' || short === 'en') return short;
  }
  return 'en';
}

let now = choose();
document.documentElement.lang = now;

export const language = () => now;

export function speak(other) {
  now = other;
  document.documentElement.lang = now;
  try { localStorage.setItem(KEY, other); } catch { /* a browser that keeps nothing asks again */ }
}

function translated(text) {
  if (now === 'en') return text;
  if (Object.hasOwn(table, text)) return table[text];
  for (const [pattern, make] of patterns) {
    const found = pattern.exec(text);
    if (found) return make(...found.slice(1).map((part) => part));
  }
  return text;
}

/** A text in the user's language; `{name}` stands for a value. */
export function t(text, values = {}) {
  return translated(text).replace(/\{(\w+)\}/g, (all, name) => (Object.hasOwn(values, name) ? String(values[name]) : all));
}

/** The same with a capital, for sentences that a service's message begins small. */
export function sentence(text) {
  const said = t(text);
  return said.charAt(0).toUpperCase() + said.slice(1);
}

const locale = () => (now === 'nl' ? 'nl-NL' : 'en-GB');

export function number(value) {
  return new Intl.NumberFormat(locale()).format(value);
}

export function time(text) {
  if (!text) return t('never');
  return new Intl.DateTimeFormat(locale(), { dateStyle: 'medium', timeStyle: 'short' }).format(new Date(text));
}

/** "4 minutes ago", "in 3 days". */
export function ago(text) {
  if (!text) return t('never');
  const seconds = (new Date(text) - Date.now()) / 1000;
  const format = new Intl.RelativeTimeFormat(locale(), { numeric: 'auto' });
  for (const [unit, size] of [['day', 86400], ['hour', 3600], ['minute', 60]]) {
    if (Math.abs(seconds) >= size) return format.format(Math.round(seconds / size), unit);
  }
  return format.format(Math.round(seconds), 'second');
}

export function span(ms) {
  if (ms < 1000) return t('none');
  const seconds = Math.round(ms / 1000);
  if (seconds < 120) return t('{n} s', { n: seconds });
  if (seconds < 7200) return t('{n} min', { n: Math.round(seconds / 60) });
  return t('{n} h', { n: Math.round(seconds / 3600) });
}

const STATES = {
  invited: ['waits for sign-in', 'warn'], consented: ['ready to start', 'warn'], first_sync: ['first sync', ''],
  live: ['live', 'good'], paused: ['paused', 'warn'], needs_consent: ['must sign in again', 'bad'],
  braked: ['stopped by the brake', 'bad'], disconnected: ['disconnected', ''],
};
export const state = (name) => [t(STATES[name]?.[0] || name), STATES[name]?.[1] || ''];

const LINKS = {
  intent: ['being created', ''], linked: ['linked', 'good'], sleeping: ['asleep', ''],
  tombstone: ['deleted in Outlook', 'warn'], closed: ['deleted in Tribe', 'warn'],
};
export const linkState = (name) => (name ? [t(LINKS[name]?.[0] || name), LINKS[name]?.[1] || ''] : [t('not linked'), '']);

const FIELDS = {
  initials: 'Initials', first_name: 'First name', insertion: 'Insertion', surname: 'Surname', birth_date: 'Date of birth',
  business_email: 'Business e-mail', function: 'Function', business_phone: 'Business phone', business_mobile: 'Business mobile',
  private_email: 'Private e-mail', private_phone: 'Private phone', private_mobile: 'Private mobile', company: 'Company',
  display_name: 'Display name',
};
export const field = (name) => t(FIELDS[name] || name);

const CAUSES = {
  webhook: 'a change in Tribe', notification: 'a change in Outlook', lifecycle: 'a renewal', poll: 'a look at Tribe',
  delta: 'a look at Outlook', sweep: 'the daily comparison', person: 'a person', engine: 'this service',
};
export const cause = (name) => t(CAUSES[name] || name);

const WAYS = { to_outlook: 'Tribe → Outlook', to_tribe: 'Outlook → Tribe', none: 'link' };
export const way = (name) => t(WAYS[name] || name);

const DIRECTIONS = { both: '↔', to_outlook: '→', to_tribe: '←', off: '–' };
const DIRECTION_WORDS = { both: 'both ways', to_outlook: 'to Outlook', to_tribe: 'to Tribe', off: 'off' };
export const direction = (name) => [DIRECTIONS[name], t(DIRECTION_WORDS[name] || name)];

const RULES = {
  R1: 'The person is eligible and has no contact yet: one is created.', R2: 'Only Tribe changed: those fields go to Outlook.',
  R3: 'Only Outlook changed: those fields go to Tribe.', R4: 'Both sides changed different fields: each goes to the other side.',
  R5: 'Both sides show the same value: nothing is written.', R6: 'Both sides changed the same field differently: the conflict policy decides.',
  R7: 'The contact was deleted in Outlook: the link ends, Tribe stays as it is.', R8: 'Tribe changed after the deletion in Outlook: the contact is created again.',
  R9: 'The person is no longer eligible: the link sleeps, nothing is deleted.', R10: 'The Outlook contact did not come from Tribe: it is ignored.',
  R11: 'The person was deleted in Tribe: the link is closed, the contact stays.', R12: "A contact with this person's stamp exists: it is adopted.",
  R12a: 'The link has no base yet: the filled side is taken, nothing is emptied.', R13: 'A contact with the same e-mail address and name exists.',
  R14: "This service's own write came back: nothing is written.", R15: 'Nothing that is synchronised changed: nothing is written.',
  R16: 'Outlook seems to have completed this card from another one.', R17: 'Too many contacts would change at once: an administrator must release.',
  R18: 'A value could not be read: it is never taken for empty.', R19: 'The user is paused: changes wait.', R20: 'The user is disconnected: the links sleep.',
  R21: 'The consent at Microsoft is gone: the user must sign in again.', R22: 'The employee left: the link is stopped.',
};
export const rules = RULES;
export const ruleSentence = (code) => t(RULES[code] || code);
