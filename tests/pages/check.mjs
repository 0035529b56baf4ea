// Drives the service's page in a real browser: activation, preview, explanation, undo, a held change,
// release of the brake, in both languages; axe-core on every page; screenshots where a folder is named.
//
//   node check.mjs SANDBOX_URL BINARY FOLDER
//
// The sandbox must be started with 3 users and nobody else; it is reset first. CHROMIUM names the
// browser, SCREENSHOTS a folder for pictures. One line per check, then `N passed, M failed`. Checks
// wait for a state, never for a time.
import { chromium } from 'playwright-core';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { PATIENCE, TOKEN, start, until } from './world.mjs';

const [sandbox, binary, folder] = process.argv.slice(2);
if (!folder) {
  console.error('usage: node check.mjs SANDBOX_URL BINARY FOLDER');
  process.exit(2);
}
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const shots = process.env.SCREENSHOTS;
let passed = 0;
let failed = 0;
let last = null;

async function check(name, work) {
  try {
    await work();
    passed += 1;
    console.log(`ok    ${name}`);
  } catch (error) {
    failed += 1;
    if (shots && last) await last.screenshot({ path: `${shots}/failed-${failed}.png` }).catch(() => {});
    console.log(`FAIL  ${name}: ${String(error.message).split('\n').slice(0, 12).join(' ')}`);
  }
}

const world = await start(sandbox.replace(/\/$/, ''), binary, folder);
const [anna, bram, carla] = world.mailboxes;
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});
const troubles = [];
const own = [new URL(world.base).origin, new URL(sandbox).origin];

async function screen(locale, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1200, height: 820 }, locale, reducedMotion: 'reduce', ...options });
  // While working on the page: its files as they stand in this folder, not as the program embeds them.
  if (process.env.PAGE_SOURCES) {
    const kinds = { css: 'text/css', js: 'text/javascript', svg: 'image/svg+xml' };
    await context.route('**/assets/*', (route) => {
      const name = new URL(route.request().url()).pathname.split('/').pop();
      return route.fulfill({ path: `${process.env.PAGE_SOURCES}/${name}`, contentType: kinds[name.split('.').pop()] });
    });
  }
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  last = page;
  page.on('pageerror', (error) => troubles.push(error.message));
  page.on('console', (message) => { if (message.type() === 'error' && !/favicon|_sandbox/.test(message.location().url)) troubles.push(`${message.text()} ${message.location().url}`); });
  page.on('request', (request) => { if (!own.includes(new URL(request.url()).origin)) troubles.push(`asks elsewhere: ${request.url()}`); });
  return page;
}

const heading = (page, text) => page.locator('h1', { hasText: text }).waitFor();

/** axe on what is shown, and pictures of it: light and dark, desktop and phone. */
async function look(page, name) {
  await page.evaluate(axe);
  for (const scheme of ['light', 'dark']) {
    for (const [device, width, height] of [['desktop', 1200, 820], ['phone', 390, 780]]) {
      await page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' });
      await page.setViewportSize({ width, height });
      await page.evaluate(() => { document.getElementById('said')?.replaceChildren(); scrollTo(0, 0); });
      const found = await page.evaluate(() => window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }));
      const bad = found.violations.map((one) => `${one.id} (${one.nodes.slice(0, 2).map((node) => `${node.target} ${node.failureSummary}`).join(' | ')})`);
      assert.deepEqual(bad, [], `${name} ${scheme} ${device}`);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(wide <= 1, `${name} ${device} is ${wide} pixels too wide`);
      if (shots) await page.screenshot({ path: `${shots}/${name}-${scheme}-${device}.png` });
    }
  }
  await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' });
  await page.setViewportSize({ width: 1200, height: 820 });
}

/** The sandbox's sign-in form, as this person. */
async function signInAs(page, mailbox) {
  await page.waitForURL((url) => url.origin === own[1]);
  await page.locator('select[name=login]').selectOption(mailbox.address);
  await page.locator('button[value=allow]').click();
  await page.waitForURL((url) => url.origin === own[0]);
}

const click = (page, name) => page.getByRole('button', { name, exact: true }).click();

// People: who is looked after by whom, and one who was.
const ana = await world.person(anna, 'Sanne', 'Bakker', { BirthDate: '1984-03-07', PhoneNumber: '+31 30 2223344' }, { EmailAddress: 'sanne@acme.example', PhoneNumber: '+31 20 5550001', FunctionOnBusinessCard: 'Inkoper', organization: 'Bakkerij Acme B.V.' });
await world.person(anna, 'Pieter', 'Visser', { MiddleName: 'de' }, { EmailAddress: 'pieter@visser.example', MobilePhoneNumber: '+31 6 11122233', organization: 'Visser Logistiek' });
await world.person(anna, 'Fatima', 'El Amrani', {}, { EmailAddress: 'fatima@haven.example', organization: 'Havenbedrijf Noord' });
const former = await world.person(anna, 'Joris', 'Smit', {}, { EmailAddress: 'joris@smit.example', IsFormer: true, organization: 'Smit & Zn.' });

const dutch = await screen('nl-NL');
await check('the page greets in the language of the browser, which the user can change', async () => {
  await dutch.goto(world.base);
  await heading(dutch, 'Je contacten, gelijk in Tribe CRM en Outlook');
  assert.equal(await dutch.locator('html').getAttribute('lang'), 'nl');
  await look(dutch, 'sign-in-nl');
  await click(dutch, 'English');
  await heading(dutch, 'Your contacts, the same in Tribe CRM and Outlook');
  await dutch.reload();
  await heading(dutch, 'Your contacts, the same in Tribe CRM and Outlook');
  await click(dutch, 'Nederlands');
});
await check('a wrong token is refused in words', async () => {
  await dutch.locator('summary').click();
  await dutch.getByLabel('Token van de beheer-API').fill('wrong');
  await click(dutch, 'Inloggen met het token');
  await dutch.locator('#said', { hasText: 'Dit is geen token van de beheer-API' }).waitFor();
  troubles.length = 0;
});
await check('an employee signs in with Tribe and switches Contacts on', async () => {
  await dutch.getByRole('link', { name: 'Inloggen met Tribe CRM' }).click();
  await signInAs(dutch, anna);
  await heading(dutch, 'Je contacten');
  const cookies = await dutch.context().cookies();
  const session = cookies.find((one) => one.name.endsWith('tribelink_session'));
  assert.ok(session.httpOnly && session.sameSite === 'Strict', JSON.stringify(session));
  const toggle = dutch.getByRole('switch', { name: 'Contacten' });
  assert.equal(await toggle.getAttribute('aria-checked'), 'false');
  await look(dutch, 'own-off-nl');
  await toggle.click();
  await dutch.locator('#grant').waitFor();
  await look(dutch, 'own-invited-nl');
});
await check('permission is granted at Microsoft, and the preview says who comes and why', async () => {
  await click(dutch, 'Toestemming geven bij Microsoft');
  await signInAs(dutch, anna);
  await dutch.locator('#preview').waitFor();
  await click(dutch, 'Voorbeeld tonen');
  await dutch.locator('#start').waitFor();
  await dutch.locator('tr', { hasText: 'Pieter de Visser' }).getByText('aanmaken').waitFor();
  const left = dutch.locator('tr', { hasText: 'Joris Smit' });
  await left.getByText('overslaan').waitFor();
  await left.getByText('De persoon komt niet meer in aanmerking').waitFor();
  await look(dutch, 'own-preview-nl');
});
await check('the explanation says what would have to change', async () => {
  await dutch.getByRole('link', { name: 'Joris Smit' }).click();
  await heading(dutch, 'Joris Smit');
  await dutch.locator('#conditions li', { hasText: 'De relatie is niet voormalig' }).getByText('klopt niet').waitFor();
  await dutch.locator('#would-sync-if').getByText("markering 'voormalig' van relatie").waitFor();
  await look(dutch, 'person-explained-nl');
  await dutch.goBack();
});
await check('the first sync moves by itself to its end', async () => {
  await click(dutch, 'Opslaan en starten');
  await dutch.locator('.numbers li', { hasText: 'gelijk' }).locator('b', { hasText: '3' }).waitFor();
  await dutch.locator('.tag', { hasText: 'actief' }).waitFor();
  assert.equal((await world.contacts(anna)).length, 3);
  await look(dutch, 'own-live-nl');
});
await check('an undo brings the former value back on both sides', async () => {
  await world.edit(ana.relationship, { PhoneNumber: '+31 20 5559999' });
  await until(async () => assert.deepEqual((await world.contact(anna, 'Bakker')).businessPhones, ['+31 20 5559999']));
  await dutch.reload();
  const line = dutch.locator('ol.line li', { hasText: '+31 20 5559999' }).first();
  await line.getByRole('button', { name: 'Terugdraaien' }).click();
  await dutch.locator('dialog').getByRole('button', { name: 'Terugdraaien' }).click();
  await until(async () => assert.deepEqual((await world.contact(anna, 'Bakker')).businessPhones, ['+31 20 5550001']));
  assert.equal((await world.tribe(ana.relationship)).PhoneNumber, '+31 20 5550001');
  await dutch.locator('ol.line li', { hasText: 'Terugdraaien van' }).first().waitFor();
});
await check('one is paused, and nothing is written', async () => {
  await click(dutch, 'Pauzeren');
  await dutch.locator('.tag', { hasText: 'gepauzeerd' }).waitFor();
  // Meanwhile both sides change the same field.
  await world.edit(ana.relationship, { FunctionOnBusinessCard: 'Hoofd inkoop' });
  await world.editOutlook(anna, await world.contact(anna, 'Bakker'), { jobTitle: 'Directeur' });
});
await check('both cards stand side by side, and what changed is marked', async () => {
  await dutch.goto(`${world.base}/#/contacts`);
  await dutch.getByRole('link', { name: 'Sanne Bakker' }).click();
  await heading(dutch, 'Sanne Bakker');
  const row = dutch.locator('tr', { hasText: 'Functie' });
  await row.getByText('Hoofd inkoop').waitFor();
  await row.getByText('Directeur').waitFor();
  assert.match(await row.getAttribute('class'), /differs/);
  await look(dutch, 'person-nl');
});
await check('a change that both sides made waits for a decision and is decided', async () => {
  await dutch.goto(`${world.base}/#/`);
  await click(dutch, 'Hervatten');
  await dutch.getByRole('button', { name: 'Neem die van Outlook' }).waitFor();
  await look(dutch, 'own-held-nl');
  await click(dutch, 'Neem die van Outlook');
  await until(async () => assert.equal((await world.tribe(ana.relationship)).FunctionOnBusinessCard, 'Directeur'));
  await until(async () => assert.equal(await dutch.getByRole('button', { name: 'Neem die van Outlook' }).count(), 0));
});
await check('an employee sees nothing of others', async () => {
  const answer = await dutch.evaluate(async () => (await fetch('/api/v1/users')).status);
  assert.equal(answer, 403);
  const planted = await dutch.evaluate(async () => (await fetch('/api/v1/me/commands/pause', { method: 'POST' })).status);
  assert.equal(planted, 403, 'a change without the second token');
  troubles.length = 0;
});
await check('signing out ends the session', async () => {
  const cookies = await dutch.context().cookies();
  await click(dutch, 'Uitloggen');
  await heading(dutch, 'Je contacten, gelijk in Tribe CRM en Outlook');
  await dutch.context().addCookies(cookies);
  await dutch.reload();
  await heading(dutch, 'Je contacten, gelijk in Tribe CRM en Outlook');
});

// A second employee with many contacts, in English, up to the brake.
for (let n = 0; n < 12; n += 1) await world.person(bram, 'Kim', `de Groot ${n}`, {}, { EmailAddress: `kim${n}@groot.example`, PhoneNumber: '+31 20 5550100', organization: 'De Groot Groep' });
const english = await screen('en-GB');
await check('the same way in English', async () => {
  await english.goto(world.base);
  await english.getByRole('link', { name: 'Sign in with Tribe CRM' }).click();
  await signInAs(english, bram);
  await english.getByRole('switch', { name: 'Contacts' }).click();
  await click(english, 'Grant permissions at Microsoft');
  await signInAs(english, bram);
  await click(english, 'Show the preview');
  await english.locator('.numbers li', { hasText: 'create' }).locator('b', { hasText: '12' }).waitFor();
  await look(english, 'own-preview-en');
  await click(english, 'Save and start');
  await english.locator('.numbers li', { hasText: 'in step' }).locator('b', { hasText: '12' }).waitFor();
  await look(english, 'own-live-en');
});

const admin = await screen('en-GB');
await check('an administrator signs in by OpenID Connect, with the role of a claim', async () => {
  await admin.goto(world.base);
  await admin.getByRole('link', { name: 'Sign in as administrator' }).click();
  await signInAs(admin, anna);
  await heading(admin, 'Overview');
  const session = await admin.evaluate(async () => (await fetch('/session')).json());
  assert.equal(session.role, 'operator');
  const other = await screen('en-GB');
  await other.goto(world.base);
  await other.getByRole('link', { name: 'Sign in as administrator' }).click();
  await signInAs(other, carla);
  await heading(other, 'Not signed in');
  await other.locator('main', { hasText: 'has no role here' }).waitFor();
  troubles.length = 0;
  await look(other, 'message-en');
  await other.context().close();
});
await check('an administrator signs in with a token', async () => {
  await click(admin, 'Sign out');
  await admin.locator('summary').click();
  await admin.getByLabel('Token of the admin API').fill(TOKEN);
  await click(admin, 'Sign in with the token');
  await heading(admin, 'Overview');
  await admin.locator('.tag', { hasText: 'all is well' }).waitFor();
  await look(admin, 'overview-en');
});
const users = (await world.api('GET', '/users')).items;
const second = users.find((one) => one.mailbox === bram.address);
await check('users, one user, settings', async () => {
  await admin.goto(`${world.base}/#/users`);
  await admin.getByRole('link', { name: bram.address }).waitFor();
  await look(admin, 'users-en');
  await admin.getByRole('link', { name: bram.address }).click();
  await heading(admin, bram.address);
  await admin.getByRole('link', { name: 'Kim de Groot 3' }).first().waitFor();
  await look(admin, 'user-en');
  await admin.goto(`${world.base}/#/settings`);
  await admin.getByText('sync.conflict').waitFor();
  await look(admin, 'settings-en');
});
await check('the brake stops a mass deletion, says so, and is released on the page', async () => {
  for (const contact of (await world.contacts(bram)).slice(0, 8)) await world.deleteOutlook(bram, contact);
  await until(async () => assert.equal((await world.api('GET', `/users/${second.id}`)).state, 'braked'));
  await admin.goto(`${world.base}/#/overview`);
  await admin.locator('#reasons').getByText('would be unlinked or lose a value at once').waitFor();
  await look(admin, 'overview-problem-en');
  await admin.locator('#reasons a').first().click();
  await click(admin, 'Release the brake');
  await admin.locator('dialog').getByRole('button', { name: 'Release the brake' }).click();
  await until(async () => {
    const links = (await world.api('GET', `/users/${second.id}/links`)).items;
    assert.equal(links.filter((one) => one.state === 'linked').length, 4);
  });
  await admin.locator('.tag', { hasText: 'live' }).first().waitFor();
});
await check('held changes are decided by an administrator, in Dutch too', async () => {
  const first = users.find((one) => one.mailbox === anna.address);
  await world.api('POST', `/users/${first.id}/pause`, {});
  const contact = await world.contact(anna, 'Visser');
  const visser = (await world.api('GET', `/users/${first.id}/links`)).items.find((one) => one.contact_id === contact.immutableId);
  await world.edit(visser.person_id, { FirstName: 'Piet' });
  await world.editOutlook(anna, contact, { givenName: 'Peter' });
  await world.api('POST', `/users/${first.id}/resume`, {});
  await until(async () => assert.equal((await world.api('GET', '/held')).items.length, 1));
  await admin.goto(`${world.base}/#/care`);
  await click(admin, 'Nederlands');
  await heading(admin, 'Wat op een besluit wacht');
  await admin.getByRole('button', { name: 'Houd die van Tribe' }).waitFor();
  await look(admin, 'care-nl');
  await click(admin, 'Houd die van Tribe');
  await until(async () => assert.equal((await world.contact(anna, 'Visser')).givenName, 'Piet'));
});
await check('the audit is filtered, exported and undone', async () => {
  await admin.goto(`${world.base}/#/audit`);
  await heading(admin, 'Logboek');
  await look(admin, 'audit-nl');
  await admin.getByLabel('Regel').selectOption('R6');
  await click(admin, 'Filteren');
  await until(async () => {
    const shown = await admin.locator('ol.line .tag.rule').allTextContents();
    assert.ok(shown.length > 0 && shown.every((code) => code === 'R6'), shown.join());
  });
  const [download] = await Promise.all([admin.waitForEvent('download'), admin.getByRole('link', { name: 'Exporteren als CSV' }).click()]);
  const csv = readFileSync(await download.path(), 'utf8');
  assert.match(csv, /^id,at,user_id,/);
  assert.ok(csv.trim().split('\r\n').slice(1).every((row) => row.includes(',R6,')), csv);
});
await check('a person is found by name, and for a user it is told why somebody is not there', async () => {
  await admin.goto(`${world.base}/#/people`);
  await heading(admin, 'Zoek een persoon');
  await admin.getByLabel('Naam, of een deel ervan').fill('de visser');
  await click(admin, 'Zoek');
  await admin.getByRole('link', { name: 'Piet de Visser' }).waitFor();
  await look(admin, 'people-nl');
  await admin.getByRole('link', { name: 'Piet de Visser' }).click();
  await heading(admin, 'Piet de Visser');
  await admin.goto(`${world.base}/#/users/${second.id}`);
  await admin.getByRole('link', { name: 'Zoek een persoon' }).click();
  await heading(admin, 'Waarom staat iemand niet in dit adresboek?');
  await admin.getByLabel('Naam, of een deel ervan').fill('el amrani');
  await admin.keyboard.press('Enter');
  await admin.getByRole('link', { name: 'Fatima El Amrani' }).click();
  await admin.locator('#would-sync-if').waitFor();
});
await check('what ends soon stands on the overview, in both languages', async () => {
  const soon = { kind: 'secret', environment: null, user_id: null, ends_at: '2027-05-31T00:00:00Z', has_ended: false, message: "the application's secret in microsoft.client_secret ends on 2027-05-31: make a new one where the application is registered, configure it with its own client_secret_expires, and restart" };
  const idle = { kind: 'consent', environment: 'default', user_id: second.id, ends_at: '2027-01-31T00:00:00Z', has_ended: true, message: 'a consent at Microsoft that is not used ended on 2027-01-31: resume the user, or send a new link' };
  await admin.route('**/api/v1/status', async (route) => {
    const answer = await route.fetch();
    await route.fulfill({ response: answer, json: { ...(await answer.json()), reminders: [soon, idle] } });
  });
  await admin.goto(`${world.base}/#/overview`);
  await admin.locator('#reasons').getByText('Het geheim van de applicatie in microsoft.client_secret verloopt op 2027-05-31').waitFor();
  await admin.locator('#reasons').getByText('Een toestemming bij Microsoft die niet gebruikt wordt verliep op 2027-01-31').waitFor();
  await look(admin, 'overview-reminder-nl');
  await click(admin, 'English');
  await admin.locator('#reasons').getByText("The application's secret in microsoft.client_secret ends on 2027-05-31").waitFor();
  await click(admin, 'Nederlands');
  await admin.unrouteAll({ behavior: 'wait' });
});
await check('every page can be worked by keyboard alone', async () => {
  await admin.goto(`${world.base}/#/overview`);
  await heading(admin, 'Overzicht');
  await admin.reload();
  await heading(admin, 'Overzicht');
  await admin.keyboard.press('Tab');
  assert.equal(await admin.evaluate(() => document.activeElement.id), 'skip');
  await until(async () => {
    await admin.keyboard.press('Tab');
    assert.equal(await admin.evaluate(() => document.activeElement.getAttribute('href')), '#/users');
  });
  await admin.keyboard.press('Enter');
  await heading(admin, 'Gebruikers');
  assert.equal(await admin.evaluate(() => document.activeElement.id), 'main', 'readers are taken to the view');
});
await check('a failed sign-in is told in Dutch to a Dutch browser', async () => {
  const page = await screen('nl-NL');
  await page.goto(`${world.base}/login/callback?state=unknown&code=x`);
  await heading(page, 'Niet ingelogd');
  assert.equal(await page.locator('html').getAttribute('lang'), 'nl');
  troubles.length = 0;
  await look(page, 'message-nl');
  await page.context().close();
});
await check('with several organisations an employee says which before signing in', async () => {
  const { tribe } = await world.control('GET', 'config');
  await world.api('POST', '/environments', { id: 'second', tribe: { client_id: tribe.client_id, client_secret: tribe.client_secret } });
  const page = await screen('nl-NL');
  await page.goto(world.base);
  await page.getByLabel('Je organisatie').selectOption('second');
  await look(page, 'sign-in-several-nl');
  await page.getByRole('link', { name: 'Inloggen met Tribe CRM' }).click();
  await signInAs(page, carla);
  await heading(page, 'Je contacten');
  const me = await page.evaluate(async () => (await fetch('/api/v1/me')).json());
  assert.equal(me.environment, 'second');
  await page.context().close();
});
await check('nothing came from another host and no script failed', async () => {
  assert.deepEqual(troubles, []);
  const answer = await fetch(world.base);
  const policy = answer.headers.get('content-security-policy');
  assert.match(policy, /script-src 'self'/);
  assert.doesNotMatch(policy, /unsafe/);
});

await browser.close();
await world.stop();
if (failed) console.log(world.log().slice(-3000));
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
