//! Cores that die, addresses that are taken, the order to end: with cores that exist only here.

use clap::Parser;

use super::*;

/// Panics when it has a message, but for the order to end.
#[expect(clippy::needless_pass_by_value, reason = "the type says so")]
fn fragile(
    _: usize,
    _: Choice,
    _: Limits,
    metrics: Arc<Metrics>,
    _: &Reporting,
    mailbox: &flume::Receiver<Message>,
) -> io::Result<()> {
    metrics.cores[0].requests_gone.add(1);
    match mailbox.recv() {
        Ok(Message::Drain) | Err(_) => Ok(()),
        Ok(Message::Update(_)) => panic!("injected"),
    }
}

/// Takes up nothing that it is given.
fn idle(
    _: usize,
    _: Choice,
    _: Limits,
    _: Arc<Metrics>,
    _: &Reporting,
    mailbox: &flume::Receiver<Message>,
) -> io::Result<()> {
    while let Ok(Message::Update(_)) = mailbox.recv() {}
    Ok(())
}

fn supervisor(run_core: RunCore, cores: usize) -> (Supervisor, flume::Receiver<Event>) {
    let cli = Cli::parse_from(["rebound-dataplane", "--snapshot", "none", "--bind", "127.0.0.1"]);
    let (events, inbox) = flume::unbounded();
    let mut supervisor = Supervisor {
        run_core,
        metrics: Arc::new(Metrics::new(cores)),
        health: Arc::default(),
        reporting: Reporting::off(),
        publisher: Publisher::new(cli.bind, cores),
        blocked: None,
        announcements: flume::unbounded().0,
        cli,
        events,
        cores: Vec::new(),
    };
    supervisor.start_cores(cores).unwrap();
    (supervisor, inbox)
}

fn empty_snapshot() -> Snapshot {
    Snapshot {
        generation: rebound_api::name::Generation(1),
        gateway: "a/b".parse().unwrap(),
        listeners: vec![],
        routes: vec![],
        clusters: vec![],
    }
}

#[test]
fn s89_an_address_that_is_taken_is_fatal_for_the_first_configuration_alone() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut conflicting = empty_snapshot();
    let listener = rebound_api::config::listener::Listener {
        name: "http".into(),
        port: taken.local_addr().unwrap().port(),
        protocol: rebound_api::config::listener::Protocol::Http,
        hostname: None,
        routes: vec![],
    };
    conflicting.listeners.push(listener.into());
    let (mut second, _inbox) = supervisor(idle, 1);
    second.load(Ok(empty_snapshot())).unwrap();
    second.load(Ok(conflicting.clone())).unwrap();
    second.unblock().unwrap();
    assert_eq!((second.metrics.reloads_good.load(), second.metrics.reloads_bad.load()), (1, 1));
    let (mut first, _inbox) = supervisor(idle, 1);
    assert!(matches!(first.load(Ok(conflicting)), Err(Fatal::Bind(_))));
    drop(taken);
    second.unblock().unwrap();
    assert_eq!(
        second.metrics.reloads_good.load(),
        2,
        "the address is free, and nobody has to touch the file"
    );
}

#[test]
fn a_core_that_panics_is_started_anew_until_it_is_hopeless() {
    let (supervisor, inbox) = supervisor(fragile, 1);
    let metrics = supervisor.metrics.clone();
    // Every start gets the plan, and dies of it.
    supervisor.events.send(Event::Loaded(Ok(empty_snapshot()))).unwrap();
    let end = supervisor.serve(&inbox);
    assert!(matches!(end, Err(Fatal::CoreKeepsDying(0))), "{end:?}");
    assert_eq!(metrics.core_restarts.load(), u64::from(RESTARTS_MAX));
    assert_eq!(metrics.cores[0].requests_gone.load(), u64::from(RESTARTS_MAX) + 1);
}

#[test]
fn a_plan_that_is_replaced_is_freed_by_the_one_after_the_next() {
    let mut publisher = Publisher::new("127.0.0.1".parse().unwrap(), 1);
    let mut publish = || {
        let plan = publisher.compile(empty_snapshot()).unwrap();
        publisher.publish(&plan).unwrap();
        Arc::downgrade(&plan)
    };
    let first = publish();
    publish();
    assert!(first.upgrade().is_some(), "no core is the last to hold it");
    publish();
    assert!(first.upgrade().is_none());
}

#[test]
fn the_order_to_end_drains_every_core() {
    let (supervisor, inbox) = supervisor(fragile, 3);
    let metrics = supervisor.metrics.clone();
    supervisor.events.send(Event::Terminate(Signal::SIGTERM)).unwrap();
    supervisor.serve(&inbox).unwrap();
    assert_eq!(metrics.core_restarts.load(), 0);
}
