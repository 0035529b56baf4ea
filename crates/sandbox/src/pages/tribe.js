// Tribe's people by hand. Everything goes through /_sandbox/tribe/…; changes made elsewhere show
// within a second, and fields that somebody is typing in are left alone.
'use strict';
const $ = (query, root = document) => root.querySelector(query);
const PERSON = [
  ['Initials', 'Initials'], ['FirstName', 'First name'], ['MiddleName', 'Insertion'], ['LastName', 'Surname'],
  ['BirthDate', 'Date of birth', 'date'], ['EmailAddress', 'Private e-mail'], ['PhoneNumber', 'Private phone'],
  ['MobilePhoneNumber', 'Private mobile'], ['Title', 'Title'], ['Suffix', 'Suffix'], ['LinkedIn', 'LinkedIn'],
];
const CONTACT = [['EmailAddress', 'E-mail'], ['PhoneNumber', 'Phone'], ['MobilePhoneNumber', 'Mobile'], ['Department', 'Department']];
const KINDS = {
  'Relationship.Person.Contact.Standard': 'Contact', 'Relationship.Person.Contact.Employee': 'Employee',
};
const kindName = (kind) => KINDS[kind] || (kind.startsWith('Relationship.Person.CommercialRelationship.') ? 'Individual · ' + kind.split('.').pop() : 'Own type');
let choices = null, chosen = null, version = -1, asked = 0, forms = null;

async function call(method, path, body) {
  const answer = await fetch('/_sandbox/tribe/' + path, { method, body: body && JSON.stringify(body) });
  const text = await answer.text();
  const json = text ? JSON.parse(text) : null;
  if (!answer.ok) throw Object.assign(new Error((json && json.error && json.error.message) || 'Error ' + answer.status), { status: answer.status });
  return json;
}

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

// Sets a field to what the CRM says now, unless somebody has typed in it since it was shown.
function show(input, value, first) {
  const text = input.type === 'checkbox' ? !!value : value ?? '';
  const now = input.type === 'checkbox' ? input.checked : input.value;
  if (!first && now !== input.shown) {
    // Typed in: what stands there stays, and is a change of what the CRM says by now.
    input.shown = text;
    return;
  }
  if (!first && text !== input.shown) {
    input.classList.add('changed');
    setTimeout(() => input.classList.remove('changed'), 2500);
  }
  if (input.type === 'checkbox') input.checked = text; else input.value = text;
  input.shown = text;
}

function field(name, label, type = 'text') {
  const input = element('input', { name, type });
  return [input, element('label', {}, label, input)];
}

function form(title, fields, save) {
  const made = $('#form').content.firstElementChild.cloneNode(true);
  $('h2', made).textContent = title;
  made.inputs = {};
  for (const [name, label, type] of fields) {
    const [input, box] = field(name, label, type);
    made.inputs[name] = input;
    $('.fields', made).append(box);
  }
  made.addEventListener('submit', async (event) => {
    event.preventDefault();
    const said = $('.said', made);
    try {
      await save(made);
      said.className = 'said good';
      said.textContent = 'Saved';
    } catch (error) {
      said.className = 'said bad';
      said.textContent = error.message;
    }
    setTimeout(() => { said.textContent = ''; }, 4000);
    await refresh();
  });
  return made;
}

// Only what was touched is written, as a careful client would.
function touched(made) {
  const body = {};
  for (const [name, input] of Object.entries(made.inputs)) {
    const value = valueOf(input);
    if (value !== input.shown) body[name] = value === '' ? null : value;
  }
  return body;
}

const valueOf = (input) => input.type === 'checkbox' ? input.checked : input.value;
// What stands in a form, to be told as shown once it was sent: what is typed meanwhile is still to be sent.
const standing = (made) => [...made.querySelectorAll('input, select')].map((input) => [input, valueOf(input)]);
function settle(sent) {
  for (const [input, value] of sent) input.shown = value;
}

function gone() {
  chosen = null;
  forms = null;
  $('#detail').replaceChildren(element('p', { className: 'empty', textContent: 'The person is gone.' }));
}

function personForm(person) {
  const made = form('Person', PERSON, async () => {
    const sent = standing(made), body = touched(made);
    if (Object.keys(body).length) await call('POST', 'records/' + person.ID, body);
    settle(sent);
  });
  made.update = (now, first) => {
    $('h2', made).textContent = (now.Name || '').trim();
    for (const [name] of PERSON) show(made.inputs[name], now[name], first);
  };
  const remove = element('button', { type: 'button', className: 'danger', textContent: 'Delete person' });
  remove.addEventListener('click', async () => {
    if (!confirm('Delete this person from the CRM?')) return;
    await call('DELETE', 'records/' + person.ID);
    gone();
    await refresh();
  });
  $('.row', made).append(remove);
  return made;
}

function tieForm(tie) {
  const contact = tie._Type.startsWith('Relationship.Person.Contact.');
  const fields = contact ? [...CONTACT, [choices.names.function, 'Function on business card']] : [];
  const made = form(kindName(tie._Type), fields, async () => {
    const sent = standing(made), body = touched(made);
    if (former.checked !== former.shown) body[choices.names.former] = former.checked;
    if (parent && parent.value !== parent.shown) body.Relation = { ID: parent.value };
    const links = {};
    if (manager.value !== manager.shown) links[choices.names.manager] = manager.value ? { ID: manager.value } : null;
    if (owners.some((box) => box.checked !== box.shown)) links[choices.names.owners] = owners.filter((box) => box.checked).map((box) => ({ ID: box.value }));
    if (Object.keys(body).length) await call('POST', 'records/' + tie.ID, body);
    if (Object.keys(links).length) await call('POST', 'records/' + made.holder, links);
    settle(sent);
  });
  const people = choices.employees;
  const manager = element('select', { name: 'manager' }, element('option', { value: '', textContent: 'Nobody' }),
    ...people.map((one) => element('option', { value: one.id, textContent: one.name })));
  $('.fields', made).append(element('label', {}, 'Relationship manager', manager));
  const parent = tie._Type === 'Relationship.Person.Contact.Standard' && element('select', { name: 'parent' },
    ...choices.organizations.map((one) => element('option', { value: one.id, textContent: one.name })));
  if (parent) $('.fields', made).prepend(element('label', {}, 'Organisation', parent));
  const owners = people.map((one) => element('input', { type: 'checkbox', name: 'owners', value: one.id }));
  const set = element('fieldset', {}, element('legend', { textContent: 'Owners' }));
  owners.forEach((box, at) => set.append(element('label', { className: 'check' }, box, people[at].name)));
  const former = element('input', { type: 'checkbox', name: 'former' });
  $('.more', made).append(set, element('p', { className: 'row' }, element('label', { className: 'check' }, former, 'Former')));
  const remove = element('button', { type: 'button', className: 'danger', textContent: 'Delete relationship' });
  remove.addEventListener('click', async () => {
    if (!confirm('Delete this relationship from the CRM?')) return;
    await call('DELETE', 'records/' + tie.ID);
    await refresh();
  });
  $('button.main', made).parentNode.append(remove);
  made.update = (now, first) => {
    made.holder = now.assignment.holder;
    for (const name of Object.keys(made.inputs)) show(made.inputs[name], now[name], first);
    if (parent) show(parent, now.Relation.ID, first);
    show(manager, now.assignment.manager, first);
    for (const box of owners) show(box, now.assignment.owners.includes(box.value), first);
    show(former, now[choices.names.former], first);
  };
  return made;
}

function newTie(person) {
  const kind = element('select', {}, ...['Relationship.Person.Contact.Standard', 'Relationship.Person.CommercialRelationship.Customer', 'Relationship.Person.CommercialRelationship.Lead']
    .map((value) => element('option', { value, textContent: kindName(value) })));
  const organization = element('select', {}, ...choices.organizations.map((one) => element('option', { value: one.id, textContent: one.name })));
  const add = element('button', { type: 'button', textContent: 'Add' });
  const said = element('span', { className: 'said bad', role: 'status' });
  add.addEventListener('click', async () => {
    const body = { _Type: kind.value, Person: { ID: person.ID } };
    if (kind.value.includes('.Contact.')) body.Relation = { ID: organization.value };
    try { await call('POST', 'records', body); await open(person.ID); } catch (error) { said.textContent = error.message; }
  });
  return element('section', { className: 'box' }, element('h3', { textContent: 'New relationship' }),
    element('div', { className: 'fields' }, element('label', {}, 'Kind', kind), element('label', {}, 'Organisation (contacts)', organization)),
    element('p', { className: 'row' }, add, said));
}

async function open(id) {
  chosen = id;
  forms = null;
  const [person, offered] = await Promise.all([call('GET', 'people/' + id), call('GET', 'choices')]);
  // Another may have been chosen meanwhile.
  if (chosen !== id) return;
  choices = offered;
  forms = { person: personForm(person), ties: new Map() };
  forms.person.update(person, true);
  const parts = [forms.person];
  for (const tie of person.Relationships) {
    const made = tieForm(tie);
    made.update(tie, true);
    forms.ties.set(tie.ID, made);
    parts.push(made);
  }
  $('#detail').replaceChildren(...parts, newTie(person));
  for (const button of document.querySelectorAll('#people button')) button.setAttribute('aria-current', button.dataset.id === id);
}

// On a phone the forms stand below the list: a choice made by hand brings them into view.
async function choose(id) {
  await open(id);
  if (matchMedia('(max-width: 46rem)').matches) $('#detail').scrollIntoView();
}

async function refresh() {
  const number = ++asked;
  const found = await call('GET', 'people?q=' + encodeURIComponent($('#search').value));
  // A later look has more to say than this one.
  if (number !== asked) return;
  version = found.version;
  $('#total').textContent = found.total + (found.total === 1 ? ' person' : ' people');
  $('#people').replaceChildren(...found.items.map((one) => {
    const button = element('button', { type: 'button' }, one.name || '(no name)');
    button.dataset.id = one.id;
    button.setAttribute('aria-current', one.id === chosen);
    if (one.former) button.append(element('span', { className: 'tag former', textContent: 'former' }));
    button.append(element('small', { textContent: [...new Set(one.kinds.map(kindName))].join(', ') + (one.organizations.length ? ' · ' + one.organizations.join(', ') : '') }));
    button.addEventListener('click', () => choose(one.id));
    return element('li', {}, button);
  }));
  if (!found.total) $('#people').append(element('li', { className: 'empty', textContent: 'Nobody is found.' }));
  if (found.total > found.items.length) $('#people').append(element('li', { className: 'empty', textContent: 'The first ' + found.items.length + ' are shown: search to see others.' }));
  const shown = forms;
  if (!chosen || !shown) return;
  let person;
  try { person = await call('GET', 'people/' + chosen); } catch (error) {
    if (error.status === 404 && forms === shown) gone();
    return;
  }
  if (forms !== shown || number !== asked) return;
  forms.person.update(person, false);
  const same = person.Relationships.length === forms.ties.size && person.Relationships.every((tie) => forms.ties.has(tie.ID));
  if (!same) { await open(chosen); return; }
  for (const tie of person.Relationships) forms.ties.get(tie.ID).update(tie, false);
}

async function watch() {
  try {
    const now = await call('GET', 'version');
    if (now.version !== version) await refresh();
  } catch { /* The sandbox is away for a moment: the next look will tell. */ }
  setTimeout(watch, 1000);
}

$('#search').addEventListener('input', refresh);
$('#new').addEventListener('click', async () => {
  const made = await call('POST', 'records', { _Type: 'Relation.Person', FirstName: 'New', LastName: 'Person' });
  $('#search').value = '';
  await refresh();
  await choose(made.ID);
  forms.person.inputs.FirstName.select();
});
watch();
