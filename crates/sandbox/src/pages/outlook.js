// Contacts by hand, as in Outlook. Everything goes through /_sandbox/graph/…; changes made
// elsewhere show within a second, and fields that somebody is typing in are left alone.
'use strict';
const $ = (query, root = document) => root.querySelector(query);
const FIELDS = [
  ['Name', [['initials', 'Initials'], ['givenName', 'First name'], ['middleName', 'Insertion'], ['surname', 'Surname'],
    ['displayName', 'Display name', 'composed when empty'], ['birthday', 'Birthday', '1980-05-01, or --05-01']]],
  ['Work', [['companyName', 'Company'], ['jobTitle', 'Job title'], ['department', 'Department']]],
  ['E-mail', [['email0', 'First'], ['email1', 'Second'], ['email2', 'Third']]],
  ['Phones', [['businessPhones0', 'Business'], ['businessPhones1', 'Business 2'], ['mobilePhone', 'Mobile'], ['homePhones0', 'Home'], ['homePhones1', 'Home 2']]],
  ['More', [['nickName', 'Nickname'], ['categories', 'Categories', 'a, b'], ['personalNotes', 'Notes']]],
];
let book = null, chosen = null, form = null, silence = null, asked = 0, told = 0;

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

// How the last act went; it outlives the form, which an act may replace.
const said = element('span', { className: 'said', role: 'status' });
function say(kind, text) {
  said.className = 'said ' + kind;
  said.textContent = text;
  clearTimeout(silence);
  silence = setTimeout(() => { said.textContent = ''; }, 4000);
}

async function call(method, path, body) {
  const answer = await fetch('/_sandbox/' + path, { method, headers: body && { 'content-type': 'application/json' }, body: body && JSON.stringify(body) });
  const json = await answer.json();
  if (!answer.ok) throw new Error(json.error || 'Error ' + answer.status);
  return json;
}
const graph = (method, what, body) => call(method, 'graph/' + what, { mailbox: $('#mailbox').value, ...body });

// A contact as the fields of the form.
function flat(contact) {
  const values = {};
  for (const [, fields] of FIELDS) for (const [name] of fields) values[name] = contact[name] ?? '';
  [0, 1, 2].forEach((at) => { values['email' + at] = contact.emailAddresses[at]?.address ?? ''; });
  for (const list of ['businessPhones', 'homePhones']) [0, 1].forEach((at) => { values[list + at] = contact[list][at] ?? ''; });
  values.categories = contact.categories.join(', ');
  values.birthday = contact.birthday ? contact.birthday.slice(0, 10).replace(/^1604-/, '--') : '';
  return values;
}

// The fields as a contact: only what differs from `before`.
function changes(now, before) {
  const body = {}, differs = (...names) => names.some((name) => now[name] !== before[name]);
  for (const [, fields] of FIELDS) for (const [name] of fields) {
    if (/\d$/.test(name) || name === 'categories' || !differs(name)) continue;
    if (name !== 'displayName' || now[name]) body[name] = now[name] || null;
  }
  if (differs('email0', 'email1', 'email2')) body.emailAddresses = [0, 1, 2].map((at) => now['email' + at]).filter(Boolean).map((address) => ({ address }));
  for (const list of ['businessPhones', 'homePhones']) if (differs(list + 0, list + 1)) body[list] = [now[list + 0], now[list + 1]].filter(Boolean);
  if (differs('categories')) body.categories = now.categories.split(',').map((one) => one.trim()).filter(Boolean);
  const named = ['givenName', 'middleName', 'surname'].some((name) => name in body);
  // Without a name of its own it is composed, which takes a write of a part of it.
  if (differs('displayName') && !now.displayName && !Object.keys(body).length) body.givenName = now.givenName || null;
  // Outlook sends the name along, unless the parts that it is made of changed.
  if (!named && !('displayName' in body) && before.displayName && now.displayName) body.displayName = now.displayName;
  return body;
}

function build(contact) {
  const inputs = {};
  const made = element('form', { className: 'box' }, element('h2'));
  for (const [title, fields] of FIELDS) {
    const grid = element('div', { className: 'fields' });
    for (const [name, label, hint] of fields) {
      inputs[name] = element('input', { name, autocomplete: 'off', placeholder: hint || '' });
      grid.append(element('label', {}, label, inputs[name]));
    }
    made.append(element('fieldset', {}, element('legend', { textContent: title }), grid));
  }
  const act = (work) => async (event) => {
    event.preventDefault();
    try { await work(); say('good', 'Done'); } catch (error) { say('bad', error.message); }
    await refresh(true);
  };
  const button = (label, name, work) => {
    const one = element('button', { type: 'button', className: name, textContent: label });
    one.addEventListener('click', act(work));
    return one;
  };
  const row = element('p', { className: 'row' });
  const follow = (answer) => { chosen = answer.immutableId || chosen; };
  const current = () => find(chosen).contact;
  if (contact && isDeleted(contact)) {
    row.append(button('Restore', 'main', async () => follow(await graph('POST', 'restore', { contact: current().id }))),
      button('Delete for good', 'danger', () => graph('DELETE', 'contacts', { contact: current().id, purge: true })));
  } else {
    row.append(element('button', { className: 'main', textContent: contact ? 'Save' : 'Add' }));
    if (contact) {
      const folders = element('select', { ariaLabel: 'Move to folder', className: 'narrow' }, element('option', { value: '', textContent: 'Move to…' }),
        ...contactFolders().map((one) => element('option', { value: one.id, textContent: one.displayName })));
      folders.addEventListener('change', act(async () => {
        const folder = folders.value;
        folders.value = '';
        await graph('POST', 'move', { contact: current().id, folder });
      }));
      row.append(button('Complete card', '', () => call('POST', 'complete-card', { mailbox: $('#mailbox').value, contact: current().id })),
        button('Copy', '', () => graph('POST', 'copy', { contact: current().id, folder: current().parentFolderId })),
        button('Delete', 'danger', () => graph('DELETE', 'contacts', { contact: current().id })), element('span', {}, folders));
    }
  }
  row.append(said);
  const quiet = element('p', { className: 'quiet' });
  made.append(row, quiet);
  made.addEventListener('submit', act(async () => {
    const now = {}, before = {}, sent = {};
    for (const [name, input] of Object.entries(inputs)) { sent[name] = input.value; now[name] = input.value.trim(); before[name] = input.shown ?? ''; }
    const body = changes(now, before);
    if (!contact) follow(await graph('POST', 'contacts', { contact: body, folder: $('#folder').value === book.deleted_folder ? book.default_folder : $('#folder').value }));
    else if (Object.keys(body).length) await graph('PATCH', 'contacts', { contact: current().id, changes: body });
    // What was sent is known by now; what was typed meanwhile is still to be sent.
    for (const [name, input] of Object.entries(inputs)) input.shown = sent[name];
  }));
  made.update = (now, first) => {
    $('h2', made).textContent = now ? now.displayName || '(no name)' : 'New contact';
    quiet.textContent = now ? 'In ' + (book.folders.find((one) => one.id === now.parentFolderId)?.displayName ?? '?') + ' · changed ' + new Date(now.lastModifiedDateTime).toLocaleString() + (now.singleValueExtendedProperties || []).map((one) => ' · ' + one.id.split(' Name ').pop() + ' ' + one.value).join('') : '';
    const values = now ? flat(now) : {};
    for (const [name, input] of Object.entries(inputs)) {
      const text = values[name] ?? '';
      if (!first && input.value !== input.shown) {
        // Typed in: what stands there stays, and is a change of what the mailbox says by now.
        input.shown = text;
        continue;
      }
      if (!first && text !== input.shown) {
        input.classList.add('changed');
        setTimeout(() => input.classList.remove('changed'), 2500);
      }
      input.value = text;
      input.shown = text;
    }
  };
  made.fresh = !contact;
  made.deleted = contact && isDeleted(contact);
  made.update(contact, true);
  return made;
}

const empty = (text) => $('#detail').replaceChildren(element('p', { className: 'empty', textContent: text }));
const isDeleted = (contact) => book.deleted.some((one) => one.immutableId === contact.immutableId);
const contactFolders = () => book.folders.filter((one) => one.id !== book.deleted_folder);
function find(id) {
  const contact = [...book.contacts, ...book.deleted].find((one) => one.immutableId === id);
  return { contact };
}

function open(id) {
  chosen = id;
  form = build(id ? find(id).contact : null);
  $('#detail').replaceChildren(form);
  list();
}

// On a phone the form stands below the list: a choice made by hand brings it into view.
function choose(id) {
  said.textContent = '';
  open(id);
  if (matchMedia('(max-width: 46rem)').matches) $('#detail').scrollIntoView();
}

function list() {
  const words = $('#search').value.toLowerCase().split(/\s+/).filter(Boolean), folder = $('#folder').value;
  const text = (one) => [one.displayName, one.companyName, one.mobilePhone, ...one.businessPhones, ...one.homePhones, ...one.emailAddresses.map((mail) => mail.address)].join(' ').toLowerCase();
  const shown = (folder === book.deleted_folder ? book.deleted : book.contacts.filter((one) => one.parentFolderId === folder))
    .filter((one) => words.every((word) => text(one).includes(word)))
    .sort((left, right) => (left.displayName || '').localeCompare(right.displayName || ''));
  $('#total').textContent = shown.length + (shown.length === 1 ? ' contact' : ' contacts');
  $('#contacts').replaceChildren(...shown.slice(0, 500).map((one) => {
    const button = element('button', { type: 'button' }, one.displayName || '(no name)');
    button.setAttribute('aria-current', one.immutableId === chosen);
    button.append(element('small', { textContent: [one.companyName, one.emailAddresses[0]?.address].filter(Boolean).join(' · ') }));
    button.addEventListener('click', () => choose(one.immutableId));
    return element('li', {}, button);
  }));
  if (!shown.length) $('#contacts').append(element('li', { className: 'empty', textContent: words.length ? 'No contact is found.' : 'No contacts in this folder.' }));
  if (shown.length > 500) $('#contacts').append(element('li', { className: 'empty', textContent: 'The first 500 are shown: search to see others.' }));
}

function offerFolders() {
  const select = $('#folder'), kept = select.value;
  select.replaceChildren(...book.folders.map((one) => element('option', { value: one.id, textContent: one.displayName })));
  select.value = book.folders.some((one) => one.id === kept) ? kept : book.default_folder;
}

async function refresh(force) {
  const number = ++asked;
  const since = book && !force ? '&since=' + book.version : '';
  const mailbox = $('#mailbox').value;
  const now = await call('GET', 'graph/mailbox?mailbox=' + encodeURIComponent(mailbox) + since);
  // A later look has more to say than this one, and another mailbox may have been chosen meanwhile.
  if (!now.contacts || number < told || mailbox !== $('#mailbox').value) return;
  told = number;
  book = now;
  offerFolders();
  if (chosen) {
    const { contact } = find(chosen);
    if (!contact) { chosen = null; form = null; empty('The contact is gone.'); }
    else if (!form || form.deleted !== isDeleted(contact) || form.fresh) open(chosen);
    else form.update(contact, false);
  }
  list();
}

async function watch() {
  try { await refresh(); } catch { /* The sandbox is away for a moment: the next look will tell. */ }
  setTimeout(watch, 1000);
}

async function start() {
  const { mailboxes } = await call('GET', 'config');
  $('#mailbox').replaceChildren(...mailboxes.map((one) => element('option', { value: one.address, textContent: one.name + ' (' + one.address + ')' })));
  $('#mailbox').addEventListener('change', () => { book = null; chosen = null; form = null; $('#folder').replaceChildren(); empty('Choose a contact from the list.'); refresh(true); });
  $('#folder').addEventListener('change', list);
  $('#search').addEventListener('input', list);
  $('#new').addEventListener('click', () => choose(null));
  $('#new-folder').addEventListener('click', async () => {
    const name = prompt('Name of the new folder');
    if (name) { await graph('POST', 'folders', { name }); await refresh(true); }
  });
  watch();
}
start();
