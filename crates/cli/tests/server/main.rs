//! Tests of the server as a process of its own, as users run it.

#[path = "../../../store/tests/support/cluster.rs"]
mod cluster;

mod aibs;
mod allma;
mod bad_input;
mod bounds;
mod chaos;
mod client;
mod clients;
mod corpus;
mod crash;
mod crash_services;
mod crowd;
mod dev_init;
mod dev_project;
mod dev_template;
mod forks;
mod functions;
mod hostile;
mod jobs;
mod nodes;
mod nodes_limits;
mod nodes_maps;
mod nodes_refused;
mod nodes_schedules;
mod nodes_services;
mod operations;
mod otlp;
mod record;
mod rotation;
mod support;
mod watched;
