//! Addresses, relative to the version (`/me/…`), as plain requests and `$batch` items take them.

use tribelink_plan::{
    contact::Stamp,
    ids::{ContactId, FolderId},
};
use url::Url;

use crate::remote::address::encode;

/// The extended property that holds the stamp. One fixed GUID, since named properties are scarce in
/// a mailbox; it must never change, or every stamp ever written is lost (Graph reference 2.7).
pub const STAMP: &str = "String {7d0f5f0e-2a64-4c0c-9a3e-5b1e6f3c8d21} Name TribelinkStamp";

/// Every request asks for ids that survive a move between folders (Graph reference 2.4).
pub const IMMUTABLE: &str = r#"IdType="ImmutableId""#;

/// What is read of a contact: what takes part in the synchronisation, and nothing more.
const SELECT: &str = "id,parentFolderId,createdDateTime,lastModifiedDateTime,initials,givenName,\
    middleName,surname,birthday,jobTitle,companyName,displayName,fileAs,mobilePhone,\
    emailAddresses,businessPhones,homePhones";

/// The largest page of a list (Graph reference 2.6).
const LIST_PAGE: usize = 1000;

/// More contacts than this with one stamp or one address are not looked at.
const FOUND: usize = 100;

fn option(name: &str, value: &str) -> String {
    format!("{name}={}", encode(value, b"$(),;="))
}

/// The id as a path segment. `=` stays as it is: escaped, some mailboxes do not find it (Graph
/// reference 2.4).
fn segment(id: &str) -> String {
    match id {
        // Alone they would lead to another address, encoded or not; like this no record has that id.
        "." | ".." => id.replace('.', "%252E"),
        _ => encode(id, b"="),
    }
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn with_stamp() -> String {
    let expand = format!(
        "singleValueExtendedProperties($filter=id eq {})",
        literal(STAMP)
    );
    format!(
        "{}&{}",
        option("$select", SELECT),
        option("$expand", &expand)
    )
}

fn folder_path(folder: &FolderId) -> String {
    format!("/me/contactFolders/{}", segment(folder.as_str()))
}

/// The contacts of the default folder (Graph reference 2.5).
pub const CONTACTS: &str = "/me/contacts";

/// What a subscription is to whose items carry the contact: what a read shows (Graph reference 4.5).
pub fn contacts_with_content() -> String {
    format!("{CONTACTS}?{}", with_stamp())
}

/// The contacts of any folder.
pub fn contacts_of(folder: &FolderId) -> String {
    format!("{}/contacts", folder_path(folder))
}

/// A contact, to write to.
pub fn contact(id: &ContactId) -> String {
    format!("{CONTACTS}/{}", segment(id.as_str()))
}

/// A contact with its stamp.
pub fn read(id: &ContactId) -> String {
    format!("{}?{}", contact(id), with_stamp())
}

/// A listing of contacts with stamps.
pub fn list(contacts: &str) -> String {
    format!(
        "{contacts}?{}&{}",
        option("$top", &LIST_PAGE.to_string()),
        with_stamp()
    )
}

fn find(contacts: &str, filter: &str) -> String {
    format!(
        "{contacts}?{}&{}&{}",
        option("$top", &FOUND.to_string()),
        option("$filter", filter),
        with_stamp()
    )
}

/// The contacts of a folder that carry a stamp.
pub fn by_stamp(contacts: &str, stamp: &Stamp) -> String {
    let filter = format!(
        "singleValueExtendedProperties/Any(ep: ep/id eq {} and ep/value eq {})",
        literal(STAMP),
        literal(&stamp.to_text())
    );
    find(contacts, &filter)
}

/// The contacts of the default folder that have an address.
pub fn by_address(address: &str) -> String {
    let filter = format!("emailAddresses/any(a:a/address eq {})", literal(address));
    find(CONTACTS, &filter)
}

/// A new round of a folder's delta. `$expand` and `$top` are refused there (Graph reference 3).
pub fn delta(folder: &FolderId) -> String {
    format!(
        "{}/delta?{}",
        contacts_of(folder),
        option("$select", SELECT)
    )
}

/// The default folder by its well-known name.
pub const DEFAULT_FOLDER: &str = "/me/contactFolders/contacts?$select=id";

/// A contact that tells the default folder's id, where there is a contact.
pub const ONE_CONTACT: &str = "/me/contacts?$top=1&$select=parentFolderId";

/// The folders beside the default one.
pub const FOLDERS: &str = "/me/contactFolders?$top=100&$select=id";

/// The folders below one.
pub fn child_folders(folder: &FolderId) -> String {
    format!("{}/childFolders?$top=100&$select=id", folder_path(folder))
}

/// A subscription.
pub fn subscription(id: &str) -> String {
    format!("/subscriptions/{}", segment(id))
}

/// Whose token it is.
pub const ME: &str = "/me?$select=id,mail,userPrincipalName";

/// The absolute address of a relative one.
pub fn absolute(graph: &Url, relative: &str) -> Url {
    let (path, query) = match relative.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (relative, None),
    };
    let mut url = graph.clone();
    url.set_path(&format!("/v1.0{path}"));
    url.set_query(query);
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp() -> Stamp {
        Stamp::parse(
            "o'brien|org|b724d383-bb70-480a-b03d-512b9aaec15a|b724d383-bb70-480a-b03d-512b9aaec15b",
        )
        .unwrap()
    }

    #[test]
    fn dots_alone_stay_in_their_segment() {
        let graph = Url::parse("https://graph.example").unwrap();
        for dots in [".", ".."] {
            let url = absolute(&graph, &contact(&ContactId::from(dots)));
            let path = format!("/v1.0/me/contacts/{}", dots.replace('.', "%252E"));
            assert_eq!(url.path(), path);
        }
    }

    #[test]
    fn an_id_keeps_its_equals_sign_and_cannot_leave_its_segment() {
        let url = contact(&ContactId::from("AAMk-_x=="));
        assert_eq!(url, "/me/contacts/AAMk-_x==");
        let url = contact(&ContactId::from("../messages?x#y"));
        assert_eq!(url, "/me/contacts/..%2Fmessages%3Fx%23y");
    }

    #[test]
    fn the_stamp_is_asked_for_by_id() {
        let graph = Url::parse("https://graph.microsoft.com").unwrap();
        let url = absolute(&graph, &read(&ContactId::from("A=")));
        assert_eq!(url.path(), "/v1.0/me/contacts/A=");
        let pairs: Vec<_> = url.query_pairs().into_owned().collect();
        assert_eq!(pairs[0].0, "$select");
        assert_eq!(
            pairs[1],
            (
                "$expand".to_owned(),
                format!("singleValueExtendedProperties($filter=id eq '{STAMP}')")
            )
        );
        assert!(!url.as_str().contains('+') && !url.as_str().contains(' '));
    }

    #[test]
    fn filters_double_their_quotes() {
        let graph = Url::parse("https://graph.microsoft.com").unwrap();
        let filter = |relative: &str| {
            absolute(&graph, relative)
                .query_pairs()
                .find(|(name, _)| name == "$filter")
                .unwrap()
                .1
                .into_owned()
        };
        assert_eq!(
            filter(&by_address("o'b+x&y@acme.example")),
            "emailAddresses/any(a:a/address eq 'o''b+x&y@acme.example')"
        );
        let text = filter(&by_stamp(CONTACTS, &stamp()));
        assert!(text.contains("ep/value eq 'o''brien|org|b724d383"));
    }

    #[test]
    fn a_delta_has_no_refused_option() {
        let url = delta(&FolderId::from("F="));
        assert!(url.starts_with("/me/contactFolders/F=/contacts/delta?$select=id,"));
        assert!(!url.contains("$top") && !url.contains("$expand"));
    }
}
