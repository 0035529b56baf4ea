//! How SQLite spells what `sql` leaves open.

/// Among the keys of a list ([`super::row::list`]): SQL text stays fixed whatever their number.
macro_rules! among {
    ($list:literal) => {
        concat!("IN (SELECT value FROM json_each(", $list, "))")
    };
}

/// Among the ids of a list ([`super::row::ids`]).
macro_rules! among_ids {
    ($list:literal) => {
        concat!("IN (SELECT unhex(value) FROM json_each(", $list, "))")
    };
}

/// No bytes.
macro_rules! no_bytes {
    () => {
        "x''"
    };
}
