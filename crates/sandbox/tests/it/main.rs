//! The sandbox over real HTTP, and in process: one binary, a module per subject.

mod common;

mod core_calls;
mod core_control;
mod core_faults;
mod core_process;
mod core_server;
mod graph_contacts;
mod graph_delivery;
mod graph_delta;
mod graph_limits;
mod graph_lists;
mod graph_moves;
mod graph_notify;
mod graph_subscriptions;
mod microsoft_clients;
mod microsoft_sign_in;
mod office;
mod tribe_hooks;
mod tribe_query;
mod tribe_read;
mod tribe_sign_in;
mod tribe_write;
