// A sandbox that runs already and a service of its own beside it, and what a check needs of both.
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import assert from 'node:assert/strict';

export const PATIENCE = Number(process.env.PATIENCE ?? 30_000);
export const TOKEN = 'the-admin-token-of-the-page-checks-0123456789';
const KINDS = { person: 'Relation.Person', contact: 'Relationship.Person.Contact.Standard', organization: 'Relation.Organization' };

/** Looks again until the look does not throw. */
export async function until(look, patience = PATIENCE) {
  const end = Date.now() + patience;
  for (;;) {
    try { return await look(); } catch (error) { if (Date.now() > end) throw error; }
    await new Promise((done) => setTimeout(done, 40));
  }
}

async function ask(url, method, body, headers = {}) {
  const answer = await fetch(url, { method, headers: { ...headers, ...(body && { 'content-type': 'application/json' }) }, body: body && JSON.stringify(body) });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${url}: ${answer.status} ${text.slice(0, 300)}`);
  return text ? JSON.parse(text) : null;
}

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

export async function start(sandbox, binary, folder) {
  const control = (method, path, body) => ask(`${sandbox}/_sandbox/${path}`, method, body);
  await control('POST', 'reset', {});
  const known = await control('GET', 'config');
  const port = await freePort();
  const base = `http://127.0.0.1:${port}`;
  const settings = {
    SERVER__LISTEN: `127.0.0.1:${port}`, DATABASE__URL: `sqlite://${folder}/page.db`,
    SECURITY__ADMIN_TOKEN: TOKEN, SECURITY__ENCRYPTION_KEYS: 'k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=',
    TRIBE__API_URL: sandbox, TRIBE__AUTH_URL: sandbox, TRIBE__CLIENT_ID: known.tribe.client_id, TRIBE__CLIENT_SECRET: known.tribe.client_secret,
    TRIBE__LOGIN_CLIENT_ID: known.tribe.login_client_id, TRIBE__LOGIN_CLIENT_SECRET: known.tribe.login_client_secret, TRIBE__WEBHOOK_SECRET: known.tribe.webhook_secret,
    MICROSOFT__GRAPH_URL: sandbox, MICROSOFT__LOGIN_URL: sandbox, MICROSOFT__TENANT: known.microsoft.tenant, MICROSOFT__CLIENT_ID: known.microsoft.client_id, MICROSOFT__CLIENT_SECRET: known.microsoft.client_secret,
    LOGIN__ISSUER: `${sandbox}/${known.microsoft.tenant}/v2.0`, LOGIN__CLIENT_ID: known.microsoft.client_id, LOGIN__CLIENT_SECRET: known.microsoft.client_secret,
    LOGIN__CLAIM: 'preferred_username', LOGIN__OPERATOR: known.mailboxes[0].address,
    SYNC__CONFLICT: 'hold', SYNC__BRAKE_MIN: '5', SERVER__RATE_LIMIT: '0',
  };
  const env = { ...process.env };
  for (const [key, value] of Object.entries(settings)) env[`TRIBELINK_${key}`] = value;
  const service = spawn(binary, ['serve'], { env, cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
  let log = '';
  for (const stream of [service.stdout, service.stderr]) stream.on('data', (text) => { log += text; });
  await until(async () => {
    if (service.exitCode !== null) throw new Error(`the service ended: ${log.slice(-2000)}`);
    await ask(`${base}/readyz`, 'GET');
  }).catch((error) => { throw new Error(`${error.message}\n${log.slice(-2000)}`); });
  const api = (method, path, body) => ask(`${base}/api/v1${path}`, method, body, { authorization: `Bearer ${TOKEN}` });
  const record = async (type, fields) => (await control('POST', 'tribe/records', { _Type: type, ...fields })).ID;
  return {
    base, api, control, mailboxes: known.mailboxes,
    stop: () => new Promise((done) => { service.on('exit', done); service.kill('SIGTERM'); }),
    log: () => log,
    /** A person that an employee looks after. */
    async person(manager, first, surname, more = {}, tie = {}) {
      const organization = await record(KINDS.organization, { Name: tie.organization || 'Bakkerij Acme B.V.' });
      const person = await record(KINDS.person, { FirstName: first, LastName: surname, ...more });
      const { organization: _, ...fields } = tie;
      const relationship = await record(KINDS.contact, { Person: { ID: person }, Relation: { ID: organization }, AccountManager: { ID: manager.employee_id }, ...fields });
      return { person, relationship };
    },
    edit: (id, fields) => control('POST', `tribe/records/${id}`, fields),
    tribe: (id) => control('GET', `tribe/records/${id}`),
    async contacts(mailbox) { return (await control('GET', `graph/mailbox?mailbox=${mailbox.address}`)).contacts; },
    async contact(mailbox, surname) {
      const found = (await this.contacts(mailbox)).filter((one) => one.surname === surname);
      assert.equal(found.length, 1, `${surname} stands there ${found.length} times`);
      return found[0];
    },
    editOutlook: (mailbox, contact, changes) => control('PATCH', 'graph/contacts', { mailbox: mailbox.address, contact: contact.id, changes }),
    deleteOutlook: (mailbox, contact) => control('DELETE', 'graph/contacts', { mailbox: mailbox.address, contact: contact.id }),
  };
}
