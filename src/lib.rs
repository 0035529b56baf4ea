//! tribelink.
