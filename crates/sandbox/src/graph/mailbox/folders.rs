//! Contact folders, and what can happen to them.

use serde_json::{Value, json};

use super::{Change, Folder, Id, Mailbox, Now, Removal, item_id};

impl Mailbox {
    /// Whether a folder is one of contacts: not the deleted items, and not inside them.
    pub(in crate::graph) fn in_contact_folder(&self, id: &str) -> bool {
        let mut at = Some(id);
        while let Some(id) = at {
            if id == self.deleted_folder {
                return false;
            }
            let Some(folder) = self.folders.get(id) else {
                return false;
            };
            at = folder.parent.as_deref();
        }
        true
    }

    /// The contact folders below one (`None`: the top ones; the default one is not among them).
    pub(in crate::graph) fn children(&self, parent: Option<&str>) -> Vec<&Folder> {
        let default = self.default_folder.as_str();
        self.folders
            .values()
            .filter(|folder| {
                folder.parent.as_deref() == parent
                    && folder.id != default
                    && folder.id != self.deleted_folder
            })
            .collect()
    }

    /// Makes or renames a folder; a new one goes below `parent`.
    pub(in crate::graph) fn make_folder(
        &mut self,
        name: &str,
        parent: Option<&str>,
        now: &mut Now<'_>,
    ) -> String {
        let id = item_id(now.rng, Id::Folder);
        let version = self.tick(now.ms);
        let folder = Folder {
            id: id.clone(),
            name: name.to_owned(),
            parent: parent.map(str::to_owned),
            version,
        };
        self.folders.insert(id.clone(), folder);
        id
    }

    pub(in crate::graph) fn rename_folder(&mut self, id: &str, name: &str, now: &mut Now<'_>) {
        let version = self.tick(now.ms);
        if let Some(folder) = self.folders.get_mut(id) {
            folder.name = name.to_owned();
            folder.version = version;
        }
    }

    /// Deleting a folder is soft: it goes to the deleted items with all that is in it.
    pub(in crate::graph) fn delete_folder(&mut self, id: &str, now: &mut Now<'_>) -> Vec<Change> {
        let version = self.tick(now.ms);
        let parent = self
            .folders
            .get(id)
            .and_then(|folder| folder.parent.clone())
            .unwrap_or_default();
        self.removals.push(Removal {
            version,
            folder: format!("folders:{parent}"),
            id: id.to_owned(),
            immutable_id: id.to_owned(),
            entered: 0,
            for_good: false,
        });
        let keys: Vec<u64> = self.in_folder(id).map(|contact| contact.key).collect();
        let below: Vec<String> = self
            .children(Some(id))
            .iter()
            .map(|folder| folder.id.clone())
            .collect();
        let mut changes: Vec<Change> = keys
            .into_iter()
            .flat_map(|key| self.delete(key, now))
            .collect();
        for folder in below {
            changes.extend(self.delete_folder(&folder, now));
        }
        let deleted = self.deleted_folder.clone();
        if let Some(folder) = self.folders.get_mut(id) {
            folder.parent = Some(deleted);
        }
        changes
    }

    /// A folder as JSON.
    pub(in crate::graph) fn show_folder(&self, folder: &Folder) -> Value {
        let parent = folder.parent.clone().unwrap_or_else(|| {
            if folder.id == self.default_folder {
                "AQMkRootFolder".to_owned()
            } else {
                self.default_folder.clone()
            }
        });
        json!({
            "id": folder.id, "displayName": folder.name, "parentFolderId": parent,
            "wellKnownName": (folder.id == self.default_folder).then_some("contacts"),
        })
    }
}
