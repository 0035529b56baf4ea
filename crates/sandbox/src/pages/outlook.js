// Contacts by hand, as in Outlook. Everything goes through /_sandbox/graph/…; changes made
// elsewhere show within a second, and fields that somebody is typing in are left alone.
'use strict';
const $ = (query, root = document) => root.querySelector(query);
const FIELDS = [
  ['Name', [['initials', 'Initials'], ['givenName', 'First name'], ['middleName', 'Insertion'], ['surname', 'Surname'],
    ['displayName', 'Display name (empty: composed)'], ['birthday', 'Birthday (1980-05-01, or --05-01 without a year)']]],
  ['Work', [['companyName', 'Company'], ['jobTitle', 'Job title'], ['department', 'Department']]],
  ['E-mail', [['email0', 'First'], ['email1', 'Second'], ['email2', 'Third']]],
  ['Phones', [['businessPhones0', 'Business'], ['businessPhones1', 'Business 2'], ['mobilePhone', 'Mobile'], ['homePhones0', 'Home'], ['homePhones1', 'Home 2']]],
  ['More', [['nickName', 'Nickname'], ['categories', 'Categories (with commas)'], ['personalNotes', 'Notes']]],
];
let book = null, chosen = null, form = null;

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
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
  // Outlook sends the name along, unless the parts that it is made of changed.
  if (!named && !('displayName' in body) && before.displayName && now.displayName) body.displayName = now.displayName;
  return body;
}

function build(contact) {
  const inputs = {}, said = element('span', { className: 'said', role: 'status' });
  const made = element('form', { className: 'box' }, element('h2'));
  for (const [title, fields] of FIELDS) {
    const grid = element('div', { className: 'fields' });
    for (const [name, label] of fields) {
      inputs[name] = element('input', { name, autocomplete: 'off' });
      grid.append(element('label', {}, label, inputs[name]));
    }
    made.append(element('fieldset', {}, element('legend', { textContent: title }), grid));
  }
  const act = (work) => async (event) => {
    event.preventDefault();
    try { await work(); said.className = 'said good'; said.textContent = 'Done'; } catch (error) { said.className = 'said bad'; said.textContent = error.message; }
    setTimeout(() => { said.textContent = ''; }, 4000);
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
      const folders = element('select', { ariaLabel: 'Move to folder' }, element('option', { value: '', textContent: 'Move to…' }),
        ...contactFolders().map((one) => element('option', { value: one.id, textContent: one.displayName })));
      folders.addEventListener('change', act(() => graph('POST', 'move', { contact: current().id, folder: folders.value })));
      row.append(button('Complete card', '', () => call('POST', 'complete-card', { mailbox: $('#mailbox').value, contact: current().id })),
        button('Copy', '', () => graph('POST', 'copy', { contact: current().id, folder: current().parentFolderId })),
        button('Delete', 'danger', () => graph('DELETE', 'contacts', { contact: current().id })), element('span', {}, folders));
    }
  }
  row.append(said);
  const quiet = element('p', { className: 'quiet' });
  made.append(row, quiet);
  made.addEventListener('submit', act(async () => {
    const now = {}, before = {};
    for (const [name, input] of Object.entries(inputs)) { now[name] = input.value.trim(); before[name] = input.shown ?? ''; }
    const body = changes(now, before);
    if (!contact) follow(await graph('POST', 'contacts', { contact: body, folder: $('#folder').value }));
    else if (Object.keys(body).length) await graph('PATCH', 'contacts', { contact: current().id, changes: body });
    for (const input of Object.values(inputs)) input.shown = input.value;
  }));
  made.update = (now, first) => {
    $('h2', made).textContent = now ? now.displayName || '(no name)' : 'New contact';
    quiet.textContent = now ? 'Changed ' + new Date(now.lastModifiedDateTime).toLocaleString() + (now.singleValueExtendedProperties || []).map((one) => ' · ' + one.id.split(' Name ').pop() + ' ' + one.value).join('') : '';
    const values = now ? flat(now) : {};
    for (const [name, input] of Object.entries(inputs)) {
      const text = values[name] ?? '';
      if (!first && input.value !== input.shown) continue;
      if (!first && text !== input.shown) {
        input.classList.add('changed');
        setTimeout(() => input.classList.remove('changed'), 2500);
      }
      input.value = text;
      input.shown = text;
    }
  };
  made.deleted = contact && isDeleted(contact);
  made.update(contact, true);
  return made;
}

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
    button.addEventListener('click', () => open(one.immutableId));
    return element('li', {}, button);
  }));
}

function offerFolders() {
  const select = $('#folder'), kept = select.value;
  select.replaceChildren(...book.folders.map((one) => element('option', { value: one.id, textContent: one.displayName })));
  select.value = book.folders.some((one) => one.id === kept) ? kept : book.default_folder;
}

async function refresh(force) {
  const since = book && !force ? '&since=' + book.version : '';
  const now = await call('GET', 'graph/mailbox?mailbox=' + encodeURIComponent($('#mailbox').value) + since);
  if (!now.contacts) return;
  book = now;
  offerFolders();
  if (chosen) {
    const { contact } = find(chosen);
    if (!contact) { chosen = null; form = null; $('#detail').replaceChildren(element('p', { className: 'quiet', textContent: 'The contact is gone.' })); }
    else if (!form || form.deleted !== isDeleted(contact) || $('h2', form).textContent === 'New contact') open(chosen);
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
  $('#mailbox').addEventListener('change', () => { book = null; chosen = null; form = null; $('#folder').replaceChildren(); $('#detail').replaceChildren(); refresh(); });
  $('#folder').addEventListener('change', list);
  $('#search').addEventListener('input', list);
  $('#new').addEventListener('click', () => open(null));
  $('#new-folder').addEventListener('click', async () => {
    const name = prompt('Name of the new folder');
    if (name) { await graph('POST', 'folders', { name }); await refresh(true); }
  });
  watch();
}
start();
