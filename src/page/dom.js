// Small means for building pages: elements, messages, questions.
import { t } from './words.js';

/** An element. Properties that begin with `on` are listeners; children are nodes or texts. */
export function h(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? '' : value);
  }
  for (const child of children.flat(9)) {
    if (child !== null && child !== undefined && child !== false) element.append(child);
  }
  return element;
}

const main = () => document.getElementById('main');

/** Shows a view. The heading gets the focus when the address changed, so that readers hear it. */
export function show(title, nodes, { narrow = false, focus = false } = {}) {
  document.title = `${title} · tribelink`;
  const kept = focus ? null : document.activeElement?.id;
  main().classList.toggle('narrow', narrow);
  main().replaceChildren(...[nodes].flat(9).filter(Boolean));
  if (focus) main().focus({ preventScroll: false });
  else if (kept && kept !== 'main') document.getElementById(kept)?.focus({ preventScroll: true });
}

let quiet;

/** Says something for a while. */
export function say(text, bad = false) {
  const said = document.getElementById('said');
  said.replaceChildren(h('p', { class: bad ? 'bad' : 'good' }, text));
  clearTimeout(quiet);
  quiet = setTimeout(() => said.replaceChildren(), 7000);
}

/** Runs what a click is for: the button waits, what is refused is said. */
export async function act(button, work, done) {
  button.disabled = true;
  try {
    const answer = await work();
    if (done) say(done);
    return answer;
  } catch (error) {
    say(t(error.message), true);
    return undefined;
  } finally {
    button.disabled = false;
  }
}

/** A button that does something and then has the view drawn anew. */
export function button(text, work, { main: chief = false, danger = false, small = false, done = null, ask = null, then = null, id = null } = {}) {
  const classes = [chief && 'main', danger && 'danger', small && 'small'].filter(Boolean).join(' ');
  return h('button', {
    type: 'button', class: classes || null, id,
    onclick: async (event) => {
      const target = event.currentTarget;
      if (ask && !(await question(ask, text, danger))) return;
      const answer = await act(target, work, done);
      if (answer !== undefined && then) then(answer);
    },
  }, text);
}

/** Asks before something that weighs. */
export function question(text, yes, danger = false) {
  return new Promise((resolve) => {
    const close = (answer) => { dialog.close(); dialog.remove(); resolve(answer); };
    const dialog = h('dialog', { 'aria-labelledby': 'question' },
      h('h2', { id: 'question' }, yes), h('p', {}, text),
      h('div', { class: 'actions' },
        h('button', { type: 'button', class: danger ? 'danger' : 'main', onclick: () => close(true) }, yes),
        h('button', { type: 'button', onclick: () => close(false) }, t('Cancel'))));
    dialog.addEventListener('cancel', (event) => { event.preventDefault(); close(false); });
    document.body.append(dialog);
    dialog.showModal();
  });
}

export const tag = (text, kind = '') => h('span', { class: `tag ${kind}` }, text);
export const rule = (code, sentence) => h('span', { class: 'tag rule', title: sentence || null }, code);
export const card = (...children) => h('section', { class: 'card' }, ...children);
export const empty = (text) => h('p', { class: 'empty' }, text);
export const notice = (text, kind = '', ...more) => h('div', { class: `notice ${kind}` }, h('p', {}, text), ...more);

/** A table; on a phone each row becomes a block with the column's name before each value. */
export function table(caption, columns, rows) {
  const head = h('tr', {}, columns.map((name) => h('th', { scope: 'col' }, name)));
  const body = rows.map((row) => {
    const cells = row.cells || row;
    const made = cells.map((cell, at) => (at === 0 ? h('th', { scope: 'row' }, cell) : h('td', { 'data-name': columns[at] }, cell)));
    return h('tr', { class: row.kind || null }, made);
  });
  return h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': caption },
    h('table', { class: 'stack', 'aria-label': caption }, h('thead', {}, head), h('tbody', {}, body)));
}

export function facts(pairs) {
  return h('dl', { class: 'facts' }, pairs.filter(Boolean).map(([name, value]) => [h('dt', {}, name), h('dd', {}, value)]));
}

export function numbers(pairs) {
  return h('ul', { class: 'numbers' }, pairs.map(([name, value]) => h('li', {}, h('b', {}, value), h('span', {}, name))));
}
