//! How Postgres spells what `sql` leaves open.

/// Among the keys of a list ([`super::row::list`]).
macro_rules! among {
    ($list:literal) => {
        concat!("= ANY(", $list, ")")
    };
}

/// Among the ids of a list ([`super::row::ids`]).
macro_rules! among_ids {
    ($list:literal) => {
        among!($list)
    };
}

/// No bytes.
macro_rules! no_bytes {
    () => {
        "''::bytea"
    };
}
