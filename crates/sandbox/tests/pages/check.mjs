// Drives the sandbox's pages in a real browser, as a person would.
//
//   node check.mjs http://127.0.0.1:9191
//
// The sandbox must be started with at least 10 people and 2 users; it is reset first. CHROMIUM
// names the browser, /usr/bin/chromium without it. One line per check, then `N passed, M failed`;
// the exit status is 1 if any failed. Checks wait for a state, never for a time.
import { chromium } from 'playwright-core';
import assert from 'node:assert/strict';

const base = (process.argv[2] ?? '').replace(/\/$/, '');
if (!/^https?:\/\//.test(base)) {
  console.error('usage: node check.mjs SANDBOX_URL');
  process.exit(2);
}
const PATIENCE = 15_000;
let passed = 0, failed = 0;

async function api(method, path, body) {
  const headers = body && { 'content-type': 'application/json' };
  const answer = await fetch(base + '/_sandbox/' + path, { method, headers, body: body && JSON.stringify(body) });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text.slice(0, 200)}`);
  return text ? JSON.parse(text) : null;
}

async function check(name, work) {
  try {
    await work();
    passed += 1;
    console.log('ok    ' + name);
  } catch (error) {
    failed += 1;
    console.log('FAIL  ' + name + ': ' + String(error.message).split('\n').slice(0, 8).join(' '));
  }
}

// Looks again until the look does not throw.
async function until(look) {
  const end = Date.now() + PATIENCE;
  for (;;) {
    try { return await look(); } catch (error) { if (Date.now() > end) throw error; }
    await new Promise((done) => setTimeout(done, 25));
  }
}

await api('POST', 'reset', {});
const config = await api('GET', 'config');
const [first, second] = config.mailboxes.map((one) => one.address);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});
const troubles = [];
async function screen(options) {
  const page = await (await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options })).newPage();
  page.setDefaultTimeout(PATIENCE);
  page.on('pageerror', (error) => troubles.push(error.message));
  page.on('console', (message) => { if (message.type() === 'error') troubles.push(message.text() + ' ' + message.location().url); });
  page.on('request', (request) => { if (!request.url().startsWith(base)) troubles.push('asks elsewhere: ' + request.url()); });
  return page;
}
const page = await screen();
const said = (where, text) => until(async () => assert.equal(await where.locator('.said').textContent(), text));

await check('the index leads to both pages', async () => {
  await page.goto(base);
  assert.match(page.url(), /\/_sandbox\/$/);
  await page.locator('main a', { hasText: 'Outlook' }).first().click();
  await page.waitForURL('**/_sandbox/outlook');
  await page.locator('nav a', { hasText: 'Tribe' }).click();
  await page.waitForURL('**/_sandbox/tribe');
});

// Tribe.
const shown = (id) => api('GET', 'tribe/people/' + id);
const people = (await api('GET', 'tribe/people')).items;
const person = people.find((one) => one.kinds.length === 1 && one.kinds[0] === 'Relationship.Person.Contact.Standard' && !one.former);
const choices = await api('GET', 'tribe/choices');
const tie = (await shown(person.id)).Relationships[0];
const personForm = page.locator('#detail form').nth(0), tieForm = page.locator('#detail form').nth(1);
const row = (text) => page.locator('#people button', { hasText: text });

await check('a person is found by name', async () => {
  await page.locator('#search').fill(person.name);
  await until(async () => assert.ok((await page.locator('#people button').allTextContents()).every((text) => text.includes(person.name))));
  await row(person.name).first().click();
  await personForm.locator('h2', { hasText: person.name }).waitFor();
});
await check('a search without result says so', async () => {
  await page.locator('#search').fill('nobody is called so');
  await page.locator('#people .empty').waitFor();
  await page.locator('#search').fill('');
  await page.locator('#people button').first().waitFor();
});
const PERSON = {
  Initials: 'Q.', FirstName: 'Quirine', MiddleName: 'van der', LastName: 'Zonneveld', BirthDate: '1981-02-03',
  EmailAddress: 'quirine@prive.example', PhoneNumber: '+31 20 1112233', MobilePhoneNumber: '+31 6 11122233',
};
await check('every mapped field of a person is edited', async () => {
  for (const [name, value] of Object.entries(PERSON)) await personForm.locator(`[name=${name}]`).fill(value);
  await personForm.locator('button.main').click();
  await said(personForm, 'Saved');
  const now = await shown(person.id);
  for (const [name, value] of Object.entries(PERSON)) assert.equal(String(now[name]).slice(0, value.length), value, name);
  await personForm.locator('h2', { hasText: 'Zonneveld' }).waitFor();
  await row('Zonneveld').waitFor();
});
const TIE = { EmailAddress: 'quirine@work.example', PhoneNumber: '+31 30 4445566', MobilePhoneNumber: '+31 6 44455566', [choices.names.function]: 'Directeur' };
await check('every mapped field of a relationship is edited', async () => {
  for (const [name, value] of Object.entries(TIE)) await tieForm.locator(`[name=${name}]`).fill(value);
  await tieForm.locator('button.main').click();
  await said(tieForm, 'Saved');
  const now = (await shown(person.id)).Relationships[0];
  for (const [name, value] of Object.entries(TIE)) assert.equal(now[name], value, name);
});
await check('a relationship gets another organisation', async () => {
  const other = choices.organizations.find((one) => one.id !== tie.Relation.ID && one.id !== choices.own);
  await tieForm.locator('[name=parent]').selectOption(other.id);
  await tieForm.locator('button.main').click();
  await until(async () => assert.equal((await shown(person.id)).Relationships[0].Relation.ID, other.id));
});
await check('a relationship gets another manager', async () => {
  const other = choices.employees.find((one) => one.id !== tie.assignment.manager);
  await tieForm.locator('[name=manager]').selectOption(other.id);
  await tieForm.locator('button.main').click();
  await until(async () => assert.equal((await shown(person.id)).Relationships[0].assignment.manager, other.id));
  await tieForm.locator('[name=manager]').selectOption('');
  await tieForm.locator('button.main').click();
  await until(async () => assert.equal((await shown(person.id)).Relationships[0].assignment.manager, null));
});
await check('owners come and go', async () => {
  const boxes = tieForm.locator('[name=owners]');
  for (let at = 0; at < await boxes.count(); at += 1) await boxes.nth(at).setChecked(at === 1);
  await tieForm.locator('button.main').click();
  const wanted = await boxes.nth(1).inputValue();
  await until(async () => assert.deepEqual((await shown(person.id)).Relationships[0].assignment.owners, [wanted]));
});
await check('a relationship becomes former, and the list marks it', async () => {
  await tieForm.locator('[name=former]').check();
  await tieForm.locator('button.main').click();
  await row('Zonneveld').locator('.tag.former').waitFor();
  assert.equal((await shown(person.id)).Relationships[0][choices.names.former], true);
});
await check('an edit made elsewhere arrives by itself', async () => {
  await api('POST', 'tribe/records/' + person.id, { FirstName: 'Quinta' });
  await until(async () => assert.equal(await personForm.locator('[name=FirstName]').inputValue(), 'Quinta'));
});
await check('what somebody is typing is left alone', async () => {
  await personForm.locator('[name=LastName]').fill('Half a na');
  await api('POST', 'tribe/records/' + person.id, { LastName: 'Elsewhere', Initials: 'Z.' });
  await until(async () => assert.equal(await personForm.locator('[name=Initials]').inputValue(), 'Z.'));
  assert.equal(await personForm.locator('[name=LastName]').inputValue(), 'Half a na');
});
await check('a refused edit says why', async () => {
  await personForm.locator('[name=LastName]').fill('');
  await personForm.locator('button.main').click();
  await personForm.locator('.said.bad', { hasText: 'mandatory' }).waitFor();
  assert.equal((await shown(person.id)).LastName, 'Elsewhere');
  await personForm.locator('[name=LastName]').fill('Zonneveld');
  await personForm.locator('button.main').click();
  await said(personForm, 'Saved');
  assert.equal((await shown(person.id)).LastName, 'Zonneveld');
});
await check('a person is made, related and deleted', async () => {
  await page.locator('#new').click();
  await personForm.locator('h2', { hasText: 'New Person' }).waitFor();
  await page.locator('#detail section button', { hasText: 'Add' }).click();
  await tieForm.waitFor();
  page.once('dialog', (dialog) => dialog.accept());
  await tieForm.locator('button.danger').click();
  await until(async () => assert.equal(await page.locator('#detail form').count(), 1));
  page.once('dialog', (dialog) => dialog.accept());
  await personForm.locator('button.danger').click();
  await page.locator('#detail .empty').waitFor();
  await until(async () => assert.equal(await row('New Person').count(), 0));
});

// Outlook.
const book = () => api('GET', 'graph/mailbox?mailbox=' + encodeURIComponent(first));
const form = page.locator('#detail form'), contacts = page.locator('#contacts button');
const input = (name) => form.locator(`[name=${name}]`);
const button = (name) => form.locator('button', { hasText: new RegExp(`^${name}$`) });
const only = async () => { const { contacts: all } = await book(); assert.equal(all.length, 1); return all[0]; };
const FIELDS = {
  initials: 'P.', givenName: 'Piet', middleName: 'de', surname: 'Vries', companyName: 'Acme', jobTitle: 'Inkoper', birthday: '--05-01',
  email0: 'piet@acme.example', email1: 'piet@prive.example', businessPhones0: '+31 20 1', mobilePhone: '+31 6 1', homePhones0: '+31 30 1',
  personalNotes: 'Note', categories: 'Red, Blue',
};
await check('an empty folder says so', async () => {
  await page.goto(base + '/_sandbox/outlook');
  await page.locator('#mailbox').selectOption(first);
  await page.locator('#contacts .empty').waitFor();
});
await check('a contact is made with every mapped field', async () => {
  await page.locator('#new').click();
  for (const [name, value] of Object.entries(FIELDS)) await input(name).fill(value);
  await button('Add').click();
  await contacts.filter({ hasText: 'Piet de Vries' }).waitFor();
  const made = await until(only);
  assert.deepEqual([made.initials, made.givenName, made.middleName, made.surname, made.companyName, made.jobTitle], ['P.', 'Piet', 'de', 'Vries', 'Acme', 'Inkoper']);
  assert.deepEqual(made.emailAddresses.map((one) => one.address), ['piet@acme.example', 'piet@prive.example']);
  assert.deepEqual([made.businessPhones, made.mobilePhone, made.homePhones, made.categories], [['+31 20 1'], '+31 6 1', ['+31 30 1'], ['Red', 'Blue']]);
  assert.equal(made.birthday, '1604-05-01T11:59:00Z', 'a birthday without a year');
  assert.equal(made.displayName, 'Piet de Vries');
  await said(form, 'Done');
});
await check('a contact is edited, the rest stays', async () => {
  const before = await only();
  await input('jobTitle').fill('Hoofd inkoop');
  await input('businessPhones0').fill('+31 20 2');
  await button('Save').click();
  await until(async () => assert.equal((await only()).jobTitle, 'Hoofd inkoop'));
  const { jobTitle, businessPhones, changeKey, lastModifiedDateTime, '@odata.etag': etag, ...rest } = await only();
  assert.deepEqual(businessPhones, ['+31 20 2']);
  for (const [name, value] of Object.entries(rest)) assert.deepEqual(value, before[name], name);
});
await check('an emptied display name is composed again', async () => {
  await input('displayName').fill('Something else');
  await button('Save').click();
  await until(async () => assert.equal((await only()).displayName, 'Something else'));
  await input('displayName').fill('');
  await button('Save').click();
  await until(async () => assert.equal((await only()).displayName, 'Piet de Vries'));
});
await check('what is typed while a save is under way is not taken back', async () => {
  const slow = async (route) => { await new Promise((done) => setTimeout(done, 300)); await route.continue(); };
  const patched = page.waitForResponse((answer) => answer.request().method() === 'PATCH');
  await said(form, '');
  await input('jobTitle').fill('Inkoper');
  await button('Save').click();
  await input('jobTitle').fill('Directeur');
  await patched;
  await said(form, 'Done');
  await page.unrouteAll({ behavior: 'wait' });
  assert.equal((await only()).jobTitle, 'Inkoper');
  assert.equal(await input('jobTitle').inputValue(), 'Directeur');
  await button('Save').click();
  await until(async () => assert.equal((await only()).jobTitle, 'Directeur'));
});
await check('an edit through the API arrives by itself', async () => {
  const { access_token: token } = await api('POST', 'tokens', { mailbox: first });
  const { id } = await only();
  const answer = await fetch(`${base}/v1.0/me/contacts/${id}`, {
    method: 'PATCH', headers: { authorization: 'Bearer ' + token, 'content-type': 'application/json' }, body: JSON.stringify({ givenName: 'Pieter' }),
  });
  assert.equal(answer.status, 200);
  await until(async () => assert.equal(await input('givenName').inputValue(), 'Pieter'));
  await contacts.filter({ hasText: 'Pieter de Vries' }).waitFor();
});
await check('what somebody types in a contact is left alone', async () => {
  await input('surname').fill('Half a na');
  await api('PATCH', 'graph/contacts', { mailbox: first, contact: (await only()).id, changes: { surname: 'Elsewhere', jobTitle: 'Chef' } });
  await until(async () => assert.equal(await input('jobTitle').inputValue(), 'Chef'));
  assert.equal(await input('surname').inputValue(), 'Half a na');
  await input('surname').fill('Vries');
  await button('Save').click();
  await until(async () => assert.equal((await only()).surname, 'Vries'));
});
await check('a wrong birthday says so', async () => {
  await input('birthday').fill('not a day');
  await button('Save').click();
  await form.locator('.said.bad').waitFor();
  await input('birthday').fill('1980-02-29');
  await button('Save').click();
  await until(async () => assert.equal((await only()).birthday, '1980-02-29T11:59:00Z'));
});
await check('a contact moves to a new folder', async () => {
  page.once('dialog', (dialog) => dialog.accept('Relations'));
  await page.locator('#new-folder').click();
  await page.locator('#folder option', { hasText: 'Relations' }).waitFor({ state: 'attached' });
  await button('Copy').click();
  await until(async () => assert.equal((await book()).contacts.length, 2));
  const folder = (await book()).folders.find((one) => one.displayName === 'Relations').id;
  // The folders to move to are those at the time the form was opened.
  await contacts.first().click();
  await form.locator('select').selectOption(folder);
  await form.locator('.quiet', { hasText: 'In Relations' }).waitFor();
  await page.locator('#folder').selectOption(folder);
  await until(async () => assert.equal(await contacts.count(), 1));
});
await check('a contact is deleted, restored, and deleted for good', async () => {
  await contacts.first().click();
  await button('Delete').click();
  await button('Restore').click();
  await until(async () => { const now = await book(); assert.deepEqual([now.contacts.length, now.deleted.length], [2, 0]); });
  await button('Delete').click();
  await button('Delete for good').click();
  await page.locator('#detail .empty').waitFor();
  await until(async () => { const now = await book(); assert.deepEqual([now.contacts.length, now.deleted.length], [1, 0]); });
});
await check('a card is completed from another contact', async () => {
  await api('POST', 'graph/contacts', { mailbox: first, contact: { givenName: 'Bare', emailAddresses: [{ address: 'piet@acme.example' }] } });
  await page.locator('#folder').selectOption({ label: 'Contacts' });
  await contacts.filter({ hasText: 'Bare' }).first().click();
  await button('Complete card').click();
  await until(async () => assert.equal(await input('companyName').inputValue(), 'Acme'));
});
await check('each mailbox has its own contacts', async () => {
  await page.locator('#mailbox').selectOption(second);
  await page.locator('#contacts .empty').waitFor();
  await page.locator('#mailbox').selectOption(first);
  await contacts.first().waitFor();
});

// On a phone, and in the dark.
const phone = await screen({ viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true, colorScheme: 'dark' });
for (const [path, list] of [['', null], ['tribe', '#people button'], ['outlook', '#contacts button']]) {
  await check(`/_sandbox/${path} fits a phone`, async () => {
    await phone.goto(base + '/_sandbox/' + path);
    if (list) {
      await phone.locator(list).first().click();
      await phone.locator('#detail form').first().waitFor();
      await until(async () => assert.ok((await phone.locator('#detail').boundingBox()).y < 300, 'the choice comes into view'));
    }
    assert.equal(await phone.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth), 0);
  });
}
await check('the pages follow the dark', async () => {
  const ground = await phone.evaluate(() => getComputedStyle(document.body).backgroundColor.match(/\d+/g).map(Number));
  assert.ok(ground.every((part) => part < 64), ground.join());
});
await check('no script failed, and nothing was asked elsewhere', async () => {
  // The two refusals that are asked for above, and no other: the browser writes those down.
  const refused = troubles.filter((one) => /status of 400/.test(one));
  assert.deepEqual(troubles.filter((one) => !refused.includes(one)), []);
  assert.equal(refused.length, 2, refused.join());
});

await browser.close();
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
