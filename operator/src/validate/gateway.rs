//! Gateways and their classes, before any route attaches.

use rebound_api::crd::gateway::Gateway;
use rebound_api::crd::gateway_class::GatewayClass;
use rebound_api::crd::gateway_config::Settings;
use rebound_api::violation::Report;

use super::RefusedGateway;
use super::place::Place;
use super::settings::Found;
use super::verdict::{ClassVerdict, GatewayVerdict, Refusal};
use super::{infrastructure, listener, settings, shared};
use crate::observe::world::{Observed, Surroundings};

/// A Gateway of ours and what was found out about its listeners.
#[derive(Debug)]
pub(super) struct CheckedGateway {
    pub(super) gateway: Observed<Gateway>,
    pub(super) settings: Settings,
    /// The IP address that its Service is to ask for.
    pub(super) address: Option<String>,
    pub(super) verdict: GatewayVerdict,
}

/// The classes of this operator.
pub(super) fn classes(around: &Surroundings) -> Vec<ClassVerdict> {
    let ours = around.classes.iter().filter(|class| class.spec.controller_name == around.controller);
    let verdict = |class: &GatewayClass| {
        let found = settings::of_class(around, class);
        let mut warnings = class_report(class).warnings;
        warnings.extend(found.iter().flat_map(|it| it.warnings.clone()));
        if around.one_address {
            warnings.extend(infrastructure::class_without_cluster(&class.spec));
        }
        ClassVerdict {
            name: class.metadata.name.clone().unwrap_or_default(),
            generation: class.metadata.generation,
            refused: found.err(),
            warnings,
        }
    };
    ours.map(verdict).collect()
}

/// Everything in one GatewayClass that has no effect.
pub(super) fn class_report(class: &GatewayClass) -> Report {
    let mut report = Report::default();
    let mut spec = Place::new(&mut report, "spec");
    spec.unread(&class.spec.unread);
    if let Some(reference) = &class.spec.parameters_ref {
        spec.at("parametersRef").unread(&reference.unread);
    }
    report
}

/// The Gateways of this operator's classes, oldest first.
pub(super) fn gateways(around: &Surroundings) -> Vec<CheckedGateway> {
    let ours = around.gateways.iter().filter(|it| around.owns_class(&it.object.spec.gateway_class_name));
    let mut checked: Vec<_> = ours.map(|it| check(around, it)).collect();
    if around.one_address {
        shared::ports(&mut checked);
    } else {
        shared::names(&mut checked);
        checked.iter_mut().for_each(shared::admin_port);
    }
    checked
}

/// Gateways of classes that nobody defines have no status to say so in.
pub(super) fn notes(around: &Surroundings) -> Vec<String> {
    let exists = |name: &str| around.classes.iter().any(|it| it.metadata.name.as_deref() == Some(name));
    let orphans = around.gateways.iter().filter(|it| !exists(&it.object.spec.gateway_class_name));
    let note = |gateway: &Observed<Gateway>| {
        let class = &gateway.object.spec.gateway_class_name;
        format!("Gateway {} names GatewayClass {class}, which does not exist", gateway.key)
    };
    orphans.map(note).collect()
}

/// Gateways whose class does not exist keep what they have: nobody can say whose they are, and a class that somebody
/// deletes comes back. Files are written anew from what they say.
pub(super) fn orphans(around: &Surroundings) -> Vec<RefusedGateway> {
    let exists = |name: &str| around.classes.iter().any(|it| it.metadata.name.as_deref() == Some(name));
    let orphans = around.gateways.iter().filter(|it| !exists(&it.object.spec.gateway_class_name));
    let refused = |gateway: &Observed<Gateway>| {
        let message = format!("GatewayClass {} does not exist", gateway.object.spec.gateway_class_name);
        RefusedGateway { key: gateway.key.clone(), message }
    };
    if around.one_address { Vec::new() } else { orphans.map(refused).collect() }
}

/// Everything that is wrong with one Gateway, whatever else exists.
pub(super) fn report(gateway: &Gateway) -> Report {
    let mut report = Report::default();
    let mut spec = Place::new(&mut report, "spec");
    spec.unread(&gateway.spec.unread);
    infrastructure::report(&mut spec, &gateway.spec);
    for (index, it) in gateway.spec.listeners.iter().enumerate() {
        listener::report(&mut spec.item("listeners", index), it, &gateway.spec.listeners);
    }
    report
}

fn check(around: &Surroundings, gateway: &Observed<Gateway>) -> CheckedGateway {
    let spec = &gateway.object.spec;
    let mut warnings = report(&gateway.object).warnings;
    if around.one_address {
        warnings.extend(infrastructure::without_cluster(spec));
    }
    let mut verdict = GatewayVerdict {
        key: gateway.key.clone(),
        generation: gateway.generation,
        refused: None,
        listeners: spec.listeners.iter().map(|it| listener::check(it, &spec.listeners)).collect(),
        warnings,
    };
    let (settings, address) = parameters(around, gateway, &mut verdict).unwrap_or_else(|refusal| {
        verdict.refused = Some(refusal);
        Default::default()
    });
    CheckedGateway { gateway: gateway.clone(), settings, address, verdict }
}

/// The settings of the data plane, and the address that its Service is to ask for.
fn parameters(
    around: &Surroundings,
    gateway: &Observed<Gateway>,
    verdict: &mut GatewayVerdict,
) -> Result<(Settings, Option<String>), Refusal> {
    let Found { settings, warnings } = settings::of_gateway(around, gateway)?;
    verdict.warnings.extend(warnings);
    if around.one_address {
        return Ok((settings, None));
    }
    let address = infrastructure::address(&gateway.object.spec.addresses, &settings)?;
    Ok((settings, address))
}
