// Microsoft's JavaScript client against a running sandbox: check_node.mjs http://127.0.0.1:PORT
// One line per check; exit status 1 if one failed. Over http its own authentication handler never
// sends a token, so the chain here has one of its own.
import { Client, HTTPMessageHandler, RetryHandler, RetryHandlerOptions, BatchRequestContent, BatchResponseContent } from '@microsoft/microsoft-graph-client';

const base = process.argv[2];
let passed = 0, failed = 0;
function check(name, holds, detail = '') {
  if (holds) passed += 1; else failed += 1;
  console.log((holds ? 'ok    ' : 'FAIL  ') + name + (holds ? '' : '  ' + JSON.stringify(detail)));
}
async function control(method, path, body) {
  const answer = await fetch(`${base}/_sandbox/${path}`, { method, headers: { 'content-type': 'application/json' }, body: body && JSON.stringify(body) });
  const text = await answer.text();
  return text ? JSON.parse(text) : null;
}
class Token {
  constructor(token) { this.token = token; }
  setNext(next) { this.next = next; }
  async execute(context) {
    context.options = { ...context.options, headers: { ...context.options?.headers, Authorization: 'Bearer ' + this.token } };
    return this.next.execute(context);
  }
}
const config = await control('GET', 'config');
const mailbox = config.mailboxes[1].address;
const { access_token } = await control('POST', 'tokens', { mailbox });
const chain = [new Token(access_token), new RetryHandler(new RetryHandlerOptions(1, 3)), new HTTPMessageHandler()];
chain[0].setNext(chain[1]);
chain[1].setNext(chain[2]);
const client = Client.initWithMiddleware({ baseUrl: base + '/', middleware: chain[0] });
const relative = (link) => link.slice((base + '/v1.0').length);

const me = await client.api('/me').get();
check('graph-client: /me', me.mail === mailbox, me);
const made = await client.api('/me/contacts').post({ givenName: 'Petra', surname: 'Vries', emailAddresses: [{ address: 'p@acme.example' }] });
check('graph-client: create', made.displayName === 'Petra Vries' && made.id.endsWith('='), made);
const changed = await client.api(`/me/contacts/${made.id}`).header('If-Match', made['@odata.etag']).patch({ jobTitle: 'x' });
check('graph-client: patch', changed.jobTitle === 'x' && changed.changeKey !== made.changeKey, changed);
try {
  await client.api(`/me/contacts/${made.id}`).header('If-Match', made['@odata.etag']).patch({ jobTitle: 'y' });
  check('graph-client: 412', false);
} catch (error) {
  check('graph-client: 412', error.statusCode === 412 && error.code === 'ErrorIrresolvableConflict' && error.requestId, error);
}
for (let n = 0; n < 11; n += 1) await client.api('/me/contacts').post({ givenName: 'N' + n });
let seen = 0;
const list = await client.api('/me/contacts').select('givenName').top(5).orderby('givenName').get();
check('graph-client: select, top, orderby', list.value.length === 5 && list.value[0].givenName === 'N0', list);
let link = relative(list['@odata.nextLink']);
seen = list.value.length;
while (link) {
  const page = await client.api(link).get();
  seen += page.value.length;
  link = page['@odata.nextLink'] && relative(page['@odata.nextLink']);
}
check('graph-client: paging', seen === 12, seen);
const delta = await client.api('/me/contacts/delta').header('Prefer', 'IdType="ImmutableId"').get();
check('graph-client: delta', delta.value.length === 12 && delta['@odata.deltaLink'].startsWith(base), delta);
await client.api(`/me/contacts/${made.id}`).delete();
const after = await client.api(relative(delta['@odata.deltaLink'])).header('Prefer', 'IdType="ImmutableId"').get();
check('graph-client: delta tells the removal', after.value[0]['@removed'].reason === 'deleted', after);

const batch = new BatchRequestContent([
  { id: '1', request: new Request(base + '/v1.0/me/contacts', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ givenName: 'Batched' }) }) },
  { id: '2', request: new Request(base + '/v1.0/me', { method: 'GET' }) },
]);
const content = await batch.getContent();
// The client cuts its own host off the addresses only for Graph's: a relative address is what it would send there.
for (const one of content.requests) one.url = one.url.replace(/^.*\/v1\.0\//, '/');
const answers = new BatchResponseContent(await client.api('/$batch').post(content));
const first = await answers.getResponseById('1').json();
check('graph-client: batch', answers.getResponseById('1').status === 201 && first.givenName === 'Batched' && (await answers.getResponseById('2').json()).mail === mailbox, first);
await control('POST', 'faults', { match: { path: '/v1.0/me/contacts' }, then: { status: 429, retry_after: 1 }, count: 1 });
check('graph-client: retries a 429', (await client.api('/me/contacts').get()).value.length === 10);
try {
  await client.api('/me/contacts').filter("displayName eq 'x'").get();
  check('graph-client: filter limits', false);
} catch (error) {
  check('graph-client: filter limits', error.statusCode === 400 && error.code === 'ErrorInvalidUrlQueryFilter', error);
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
