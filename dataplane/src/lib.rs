//! The Rebound data plane as a library, so that tests and fuzz targets reach its rooms.
//!
//! | room | what it does | what it never does |
//! | --- | --- | --- |
//! | [`snapshot`] | bytes to a plan, off the cores | serve a request |
//! | [`supervisor`], [`admin`] | start cores, hand over plans, drain; answer probes | touch a core's state |
//! | [`live`] | the page for people | leave the machine |
//! | [`worker`] | one core: listeners, connections, mailbox | share anything mutable but budgets and numbers |
//! | [`http`], [`upstream`] | one exchange, client side and backend side | lock, block, resolve names |
//! | [`route`], [`retry`] | which rule, which next step: pure | IO |
//! | [`io`] | sockets, timers, tasks: the only room that names the runtime | know HTTP |
//! | [`telemetry`] | numbers | wait |

pub mod admin;
pub mod cli;
pub mod clock;
pub mod http;
pub mod io;
pub mod live;
pub mod retry;
pub mod route;
pub mod snapshot;
pub mod supervisor;
pub mod telemetry;
pub mod upstream;
pub mod worker;
