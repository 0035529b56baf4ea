//! An ordered table that can take its last changes back.

use std::{collections::BTreeMap, ops::RangeBounds};

/// Rows by key, and what the running commit replaced.
#[derive(Clone, Debug)]
pub(super) struct Table<K, V> {
    rows: BTreeMap<K, V>,
    journal: Vec<(K, Option<V>)>,
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self {
            rows: BTreeMap::new(),
            journal: Vec::new(),
        }
    }
}

/// The end of a commit, whatever the table holds.
pub(super) trait Journal {
    /// The changes stay.
    fn keep(&mut self);
    /// The changes since the last end are taken back.
    fn undo(&mut self);
}

impl<K: Ord, V> Journal for Table<K, V> {
    fn keep(&mut self) {
        self.journal.clear();
    }

    fn undo(&mut self) {
        for (key, former) in std::mem::take(&mut self.journal).into_iter().rev() {
            match former {
                Some(row) => self.rows.insert(key, row),
                None => self.rows.remove(&key),
            };
        }
    }
}

impl<K: Ord + Clone, V: Clone> Table<K, V> {
    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.rows.get(key)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.rows.iter()
    }

    pub(super) fn values(&self) -> impl DoubleEndedIterator<Item = &V> {
        self.rows.values()
    }

    pub(super) fn range(
        &self,
        range: impl RangeBounds<K>,
    ) -> impl DoubleEndedIterator<Item = (&K, &V)> {
        self.rows.range(range)
    }

    pub(super) fn put(&mut self, key: K, row: V) {
        let former = self.rows.insert(key.clone(), row);
        self.journal.push((key, former));
    }

    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        let former = self.rows.remove(key);
        if former.is_some() {
            self.journal.push((key.clone(), former.clone()));
        }
        former
    }

    /// Changes a row in place; false when there is none.
    pub(super) fn update(&mut self, key: &K, change: impl FnOnce(&mut V)) -> bool {
        let Some(row) = self.rows.get_mut(key) else {
            return false;
        };
        self.journal.push((key.clone(), Some(row.clone())));
        change(row);
        true
    }

    /// Changes every row that fits.
    pub(super) fn update_where(&mut self, fits: impl Fn(&K, &V) -> bool, change: impl Fn(&mut V)) {
        for (key, row) in &mut self.rows {
            if fits(key, row) {
                self.journal.push((key.clone(), Some(row.clone())));
                change(row);
            }
        }
    }

    /// Removes every row that fits.
    pub(super) fn remove_where(&mut self, fits: impl Fn(&K, &V) -> bool) {
        let gone: Vec<K> = self
            .rows
            .iter()
            .filter(|(key, row)| fits(key, row))
            .map(|(key, _)| key.clone())
            .collect();
        for key in gone {
            self.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn undo_takes_every_change_back_and_keep_makes_them_stay() {
        let mut table = Table::default();
        table.put(1, "one");
        table.put(2, "two");
        table.keep();

        table.put(1, "uno");
        table.put(1, "eins");
        table.put(3, "three");
        table.remove(&2);
        table.update_where(|_, _| true, |row| *row = "x");
        table.remove_where(|key, _| *key == 1);
        table.undo();

        let rows: Vec<_> = table.iter().map(|(key, row)| (*key, *row)).collect();
        assert_eq!(rows, [(1, "one"), (2, "two")]);
    }
}
