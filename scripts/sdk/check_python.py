"""Microsoft's own Python SDKs against a running sandbox.

check_python.py http://127.0.0.1:PORT [https://localhost:PORT CERT.pem]

msgraph-sdk goes over plain http. MSAL refuses http, so it takes the second address and the
certificate to trust. One line per check; exit status 1 if one failed.
"""

import asyncio
import json
import os
import ssl
import sys
import urllib.error
import urllib.parse
import urllib.request

from kiota_abstractions.authentication import AccessTokenProvider, AllowedHostsValidator, BaseBearerTokenAuthenticationProvider
from kiota_abstractions.api_error import APIError
from kiota_abstractions.base_request_configuration import RequestConfiguration
from msgraph import GraphRequestAdapter, GraphServiceClient
from msgraph.generated.models.contact import Contact
from msgraph.generated.models.contact_folder import ContactFolder
from msgraph.generated.models.email_address import EmailAddress
from msgraph.generated.models.single_value_legacy_extended_property import SingleValueLegacyExtendedProperty
from msgraph.generated.users.item.contacts.contacts_request_builder import ContactsRequestBuilder

STAMP = "String {5f3c1d2e-7a4b-4c8d-9e0f-1a2b3c4d5e6f} Name Stamp"
passed = failed = 0


def check(name, holds, detail=""):
    global passed, failed
    passed, failed = passed + bool(holds), failed + (not holds)
    print(("ok    " if holds else "FAIL  ") + name + ("" if holds else f"  {detail}"))


def control(base, method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{base}/_sandbox/{path}", data, {"content-type": "application/json"}, method=method)
    with urllib.request.urlopen(request) as answer:
        text = answer.read()
    return json.loads(text) if text else None


class Token(AccessTokenProvider):
    def __init__(self, token):
        self.token = token

    async def get_authorization_token(self, uri, additional_authentication_context={}):
        return self.token

    def get_allowed_hosts_validator(self):
        return AllowedHostsValidator(["127.0.0.1"])


async def graph(base):
    config = control(base, "GET", "config")
    mailbox = config["mailboxes"][0]["address"]
    token = control(base, "POST", "tokens", {"mailbox": mailbox})["access_token"]
    adapter = GraphRequestAdapter(BaseBearerTokenAuthenticationProvider(Token(token)))
    adapter.base_url = f"{base}/v1.0"
    client = GraphServiceClient(request_adapter=adapter)

    me = await client.me.get()
    check("msgraph: /me", me.mail == mailbox and me.id == config["mailboxes"][0]["user_id"])
    made = await client.me.contacts.post(Contact(
        given_name="Geert", surname="Dijk", email_addresses=[EmailAddress(address="geert@acme.example", name="Geert")],
        single_value_extended_properties=[SingleValueLegacyExtendedProperty(id=STAMP, value="one")]))
    check("msgraph: create", made.id and made.display_name == "Geert Dijk" and not made.single_value_extended_properties)
    read = await client.me.contacts.by_contact_id(made.id).get()
    check("msgraph: get", read.surname == "Dijk" and read.change_key == made.change_key and read.email_addresses[0].address == "geert@acme.example")
    changed = await client.me.contacts.by_contact_id(made.id).patch(Contact(job_title="Director"))
    check("msgraph: patch", changed.job_title == "Director" and changed.change_key != made.change_key)

    Query = ContactsRequestBuilder.ContactsRequestBuilderGetQueryParameters
    query = Query(filter=f"singleValueExtendedProperties/Any(ep: ep/id eq '{STAMP}' and ep/value eq 'one')",
                  expand=[f"singleValueExtendedProperties($filter=id eq '{STAMP}')"], select=["id", "surname"], orderby=["surname"])
    found = await client.me.contacts.get(RequestConfiguration(query_parameters=query))
    check("msgraph: filter and expand by stamp", len(found.value) == 1 and found.value[0].single_value_extended_properties[0].value == "one")
    query = Query(filter="emailAddresses/any(a:a/address eq 'geert@acme.example')")
    found = await client.me.contacts.get(RequestConfiguration(query_parameters=query))
    check("msgraph: filter by address", [one.id for one in found.value] == [made.id])

    for number in range(11):
        await client.me.contacts.post(Contact(given_name=f"N{number}"))
    page = await client.me.contacts.get()
    rest = await client.me.contacts.with_url(page.odata_next_link).get()
    check("msgraph: paging", len(page.value) == 10 and len(rest.value) == 2 and not rest.odata_next_link)

    delta = await client.me.contacts.delta.get() if hasattr(client.me.contacts, "delta") else None
    check("msgraph: delta", delta is not None and len(delta.value) == 12 and delta.odata_delta_link)
    await client.me.contacts.by_contact_id(made.id).delete()
    after = await client.me.contacts.delta.with_url(delta.odata_delta_link).get()
    check("msgraph: delta tells the removal", after.value[0].id == made.id and "@removed" in after.value[0].additional_data)
    try:
        await client.me.contacts.by_contact_id(made.id).get()
        check("msgraph: 404", False)
    except APIError as error:
        check("msgraph: 404", error.response_status_code == 404 and error.error.code == "ErrorItemNotFound" and error.error.inner_error.request_id)
    folder = await client.me.contact_folders.post(ContactFolder(display_name="Friends"))
    inside = await client.me.contact_folders.by_contact_folder_id(folder.id).contacts.post(Contact(given_name="Deep"))
    folders = await client.me.contact_folders.get()
    check("msgraph: folders", inside.parent_folder_id == folder.id and folder.id in [one.id for one in folders.value])
    control(base, "POST", "faults", {"match": {"path": "/v1.0/me/contacts"}, "then": {"status": 429, "retry_after": 1}, "count": 1})
    again = await client.me.contacts.get()
    check("msgraph: retries a 429", len(again.value) == 10)


def msal_checks(base, https, certificate):
    import msal

    # These outdo the certificate that MSAL is told to trust.
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        os.environ.pop(name, None)
    config = control(base, "GET", "config")
    microsoft, mailbox = config["microsoft"], config["mailboxes"][0]["address"]
    app = msal.ConfidentialClientApplication(
        microsoft["client_id"], client_credential=microsoft["client_secret"], authority=f"{https}/{microsoft['tenant']}",
        instance_discovery=False, verify=certificate)
    scopes = ["User.Read", "Contacts.ReadWrite"]
    flow = app.initiate_auth_code_flow(scopes, redirect_uri="http://127.0.0.1:9/back", login_hint=mailbox)
    address = flow["auth_uri"] + "&auto=1"

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *arguments):
            return None

    opener = urllib.request.build_opener(Stay, urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=certificate)))
    try:
        opener.open(address)
        location = ""
    except urllib.error.HTTPError as error:
        location = error.headers.get("location", "")
    back = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(location).query))
    result = app.acquire_token_by_auth_code_flow(flow, back)
    check("msal: code flow with PKCE and nonce", "access_token" in result, result)
    check("msal: id token", result.get("id_token_claims", {}).get("tid") == microsoft["tenant"], result)
    accounts = app.get_accounts()
    check("msal: account from client_info", len(accounts) == 1 and accounts[0]["home_account_id"].endswith(microsoft["tenant"]))
    silent = app.acquire_token_silent(scopes, account=accounts[0])
    check("msal: cache", silent["access_token"] == result["access_token"])
    fresh = app.acquire_token_silent(scopes, account=accounts[0], force_refresh=True)
    check("msal: refresh", fresh and fresh.get("access_token") not in (None, result["access_token"]), fresh)
    alone = app.acquire_token_for_client(["https://graph.microsoft.com/.default"])
    check("msal: client credentials", "access_token" in alone, alone)
    control(base, "POST", "microsoft/revoke", {"mailbox": mailbox})
    refused = app.acquire_token_silent_with_error(scopes, account=accounts[0], force_refresh=True)
    check("msal: invalid_grant after a revocation", refused and refused.get("error") == "invalid_grant", refused)


if __name__ == "__main__":
    asyncio.run(graph(sys.argv[1]))
    if len(sys.argv) > 3:
        # Control of the https sandbox goes over https too.
        urllib.request.install_opener(urllib.request.build_opener(urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=sys.argv[3]))))
        msal_checks(sys.argv[2], sys.argv[2], sys.argv[3])
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)
