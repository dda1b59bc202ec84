//! End to end: the real `bufferbloatd` on free ports, as its operator and its supervisor's signals meet it.

mod acme;
mod branding;
mod command_line;
mod harness;
mod household;
mod http;
mod http2;
mod isolation;
mod log;
mod metrics;
mod pebble;
mod privileges;
mod proxy;
mod reload;
mod status;
mod supervision;
mod tls;
mod tls_client;
mod unproven;
mod upgrade;
