// The CRM vendor's own client against a running sandbox: check_tribe.mjs http://127.0.0.1:PORT
// One line per check; exit status 1 if one failed.
import { TribeCRMClient } from '@efficy/tribecrm-mcp-server/dist/client.js';

const base = process.argv[2];
let passed = 0, failed = 0;
function check(name, holds, detail = '') {
  if (holds) passed += 1; else failed += 1;
  console.log((holds ? 'ok    ' : 'FAIL  ') + name + (holds ? '' : '  ' + JSON.stringify(detail)));
}
async function refused(work) {
  try { await work(); return null; } catch (error) { return error; }
}
const config = await (await fetch(`${base}/_sandbox/config`)).json();
const client = new TribeCRMClient({
  apiUrl: base, authUrl: base, authMethod: 'app',
  clientId: config.tribe.client_id, clientSecret: config.tribe.client_secret,
});

const page = await client.queryEntities('Relation_Person', { top: 3, orderby: 'ID', count: true });
check('query with top, orderby and count', page.value.length === 3 && page['@odata.count'] >= 3, page);
const employees = await client.queryEntities('Relationship_Person_Contact_Employee', { expand: 'Person', top: 1 });
check('query with expand', employees.value[0]?.Person?.ID !== undefined, employees);
const made = await client.createEntity('Relation_Person', { FirstName: 'Petra', LastName: 'de Vries' });
check('create answers the entity', made.ID !== undefined && made.LastName === 'de Vries', made);
const filtered = await client.queryEntities('Relation_Person', { filter: "FirstName eq 'Petra' and LastName eq 'de Vries'", select: 'ID,LastName' });
check('filter with spaces as axios sends them', filtered.value.some((person) => person.ID === made.ID), filtered);
const updated = await client.updateEntity('Relation_Person', made.ID, { FirstName: 'Petronella' });
check('update by POST with the ID', updated.ID === made.ID, updated);
const read = await client.getEntity('Relation_Person', made.ID);
check('the update left the other fields', read.FirstName === 'Petronella' && read.LastName === 'de Vries', read);
const me = await client.getCurrentEmployee('Person');
check('the current employee', me.ID !== undefined, me);
const types = await client.listEntityTypes();
check('entity types from $metadata', types.length > 5, types);
const nameless = await refused(() => client.createEntity('Relation_Person', { FirstName: 'X' }));
check('a person without surname is refused with a message', /LastName|400/.test(String(nameless)), String(nameless));
await client.deleteEntity('Relation_Person', made.ID);
const gone = await refused(() => client.getEntity('Relation_Person', made.ID));
check('delete, then 404', /404/.test(String(gone)), String(gone));
const kept = await refused(() => client.deleteEntity('Relationship_Person_Contact_Employee', employees.value[0].ID));
check('employees cannot be deleted', /405/.test(String(kept)), String(kept));

console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
