//! The pure core of tribelink.
