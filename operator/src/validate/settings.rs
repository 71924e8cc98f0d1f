//! The settings of data planes: the GatewayConfigs that a Gateway and its class name, one over the other.
//!
//! A Gateway whose settings cannot be had is refused whole. To run it with half of what was asked for, or with
//! defaults, could take away what it was protected by; it keeps what it was last given.

use rebound_api::crd::condition::Reason;
use rebound_api::crd::gateway::Gateway;
use rebound_api::crd::gateway_class::GatewayClass;
use rebound_api::crd::gateway_config::{GROUP, KIND, Settings, check};
use rebound_api::name::ObjectKey;
use rebound_api::violation::Violation;

use super::verdict::Refusal;
use crate::observe::world::{Observed, Surroundings};

/// What a GatewayConfig says, and what there is to remark about it. It has no status of its own: its remarks stand in
/// that of the object that names it.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) settings: Settings,
    pub(super) warnings: Vec<Violation>,
}

/// What the class of a Gateway asks for.
pub(super) fn of_class(around: &Surroundings, class: &GatewayClass) -> Result<Found, Refusal> {
    let Some(reference) = &class.spec.parameters_ref else { return Ok(Found::default()) };
    let Some(namespace) = &reference.namespace else {
        return Err(invalid("spec.parametersRef.namespace: is missing; a GatewayConfig lies in a namespace"));
    };
    find(around, "spec.parametersRef", &reference.group, &reference.kind, namespace, &reference.name)
}

/// What a Gateway asks for, over what its class does. The remarks are about its own GatewayConfig.
pub(super) fn of_gateway(around: &Surroundings, gateway: &Observed<Gateway>) -> Result<Found, Refusal> {
    let name = &gateway.object.spec.gateway_class_name;
    let class = around.classes.iter().find(|class| class.metadata.name.as_ref() == Some(name));
    let inherited = class.map_or_else(|| Ok(Found::default()), |class| of_class(around, class));
    let inherited = inherited.map_err(|refusal| {
        Refusal::new(refusal.reason, format!("GatewayClass {name} is not accepted: {}", refusal.message))
    })?;
    let infrastructure = gateway.object.spec.infrastructure.as_ref();
    let own = infrastructure.and_then(|it| it.parameters_ref.as_ref()).map_or_else(
        || Ok(Found::default()),
        |reference| {
            let path = "spec.infrastructure.parametersRef";
            let namespace = gateway.key.namespace();
            find(around, path, &reference.group, &reference.kind, namespace, &reference.name)
        },
    )?;
    Ok(Found { settings: own.settings.over(inherited.settings), warnings: own.warnings })
}

/// The settings of the object that the reference at `path` leads to.
fn find(
    around: &Surroundings,
    path: &str,
    group: &str,
    kind: &str,
    namespace: &str,
    name: &str,
) -> Result<Found, Refusal> {
    if (group, kind) != (GROUP, KIND) {
        return Err(invalid(format!("{path}: must name a {KIND} of group `{GROUP}`, not a {kind}")));
    }
    let key = ObjectKey::new(namespace, name).map_err(|bad| invalid(format!("{path}: {bad}")))?;
    let config = around.configs.get(&key);
    let config = config.ok_or_else(|| invalid(format!("{path}: {KIND} {key} does not exist")))?;
    let checked = check(&config.object);
    let settings = checked.settings.ok_or_else(|| {
        let violations: Vec<_> = checked.report.violations.iter().map(Violation::to_string).collect();
        invalid(format!("{path}: {KIND} {key} is not valid: {}", violations.join("; ")))
    })?;
    let about = |it: Violation| Violation { path: format!("{KIND} {key}: {}", it.path), ..it };
    Ok(Found { settings, warnings: checked.report.warnings.into_iter().map(about).collect() })
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(Reason::InvalidParameters, message)
}
