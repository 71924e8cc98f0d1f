//! The command line, as `interfaces.md` has it. Parsing only: what a command does is in `app`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use rebound_api::name::{LABEL_MAX_CHARS, ObjectKey, ServicePort};

/// The address that Gateways listen on in files mode.
pub const BIND_DEFAULT: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Rebound: the Kubernetes gateway that gets retries right.
#[derive(Debug, Parser)]
#[command(name = "rebound-operator", version, arg_required_else_help = true)]
pub struct Cli {
    /// What to log, such as `info` or `rebound_operator=debug`
    #[arg(long, global = true, env = "RUST_LOG", value_name = "FILTER")]
    pub log: Option<String>,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the Gateways of files, and follow every change of them, until SIGTERM
    Run(Run),
    /// Write the snapshots and the status of files once
    Render(Render),
    /// Print everything that is wrong with files, as FILE:LINE: PATH: message
    ///
    /// Exits with 0 if all is valid, 1 if something is not, 2 if a file cannot be read.
    Validate(Validate),
    /// Print the CustomResourceDefinitions
    Crds,
    /// Serve the Gateways of a cluster, until SIGTERM
    Controller(Controller),
    /// Write the snapshot of one Gateway beside its data plane, and report what that serves
    ///
    /// Runs in the pod of a data plane.
    Agent(Agent),
}

/// Which objects.
#[derive(Debug, Args)]
pub struct Objects {
    /// Fills in a missing metadata.namespace
    #[arg(short, long, default_value = "default", value_name = "NS", value_parser = namespace)]
    pub namespace: String,
    /// An endpoint of a Service port; also declares the Service and its port
    #[arg(long = "backend", value_name = "NS/SVC:PORT=HOST:PORT", value_parser = backend)]
    pub backends: Vec<(ServicePort, SocketAddr)>,
}

#[derive(Debug, Args)]
pub struct Run {
    /// Files and folders of manifests
    #[arg(short = 'f', long = "filename", required = true, num_args = 1.., value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    #[command(flatten)]
    pub objects: Objects,
    /// The address that Gateways listen on; their ports are taken as written
    #[arg(long, default_value_t = BIND_DEFAULT, value_name = "ADDR")]
    pub bind: IpAddr,
    /// Where snapshots and status.yaml go [default: a temporary folder]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// The data plane [default: rebound-dataplane beside this program]
    #[arg(long, env = "REBOUND_DATAPLANE", value_name = "BIN")]
    pub dataplane: Option<PathBuf>,
    /// The admin address of the first Gateway's data plane [default: a free port of 127.0.0.1]
    #[arg(long, value_name = "ADDR")]
    pub admin: Option<SocketAddr>,
}

#[derive(Debug, Args)]
pub struct Render {
    /// Files and folders of manifests
    #[arg(short = 'f', long = "filename", required = true, num_args = 1.., value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    #[command(flatten)]
    pub objects: Objects,
    /// Where snapshots and status.yaml go
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

#[derive(Debug, Args)]
pub struct Validate {
    /// Files and folders of manifests
    #[arg(value_name = "PATH", required_unless_present = "filename")]
    pub paths: Vec<PathBuf>,
    /// The same, as kubectl spells it
    #[arg(short, long, num_args = 1.., value_name = "PATH")]
    pub filename: Vec<PathBuf>,
    /// Fills in a missing metadata.namespace
    #[arg(short, long, default_value = "default", value_name = "NS", value_parser = namespace)]
    pub namespace: String,
    /// How to print
    #[arg(short, long, value_enum, default_value_t = Output::Text, value_name = "FORMAT")]
    pub output: Output,
}

#[derive(Debug, Args)]
pub struct Controller {
    /// The operator's own namespace, which holds its lease and certificates
    #[arg(long, env = "POD_NAMESPACE", default_value = "rebound-system", value_name = "NS", value_parser = namespace)]
    pub namespace: String,
    /// The name of this replica, unlike that of any other
    #[arg(long, env = "POD_NAME", value_name = "NAME")]
    pub identity: Option<String>,
    /// The address of this replica's pod, which tells the IP family of the cluster
    #[arg(long, env = "POD_IP", value_name = "IP")]
    pub pod_ip: Option<IpAddr>,
    /// Where probes and metrics are answered
    #[arg(long, default_value_t = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8081)), value_name = "ADDR")]
    pub admin: SocketAddr,
    /// Where the API server asks about RetryPolicies and GatewayConfigs
    #[arg(long, default_value_t = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 9443)), value_name = "ADDR")]
    pub webhook: SocketAddr,
    /// Where the webhook's certificate comes from
    #[arg(long, value_enum, default_value_t = Certificates::Directory, value_name = "SOURCE")]
    pub webhook_certs: Certificates,
    /// The folder of tls.crt and tls.key
    #[arg(long, default_value = "/tmp/k8s-webhook-server/serving-certs", value_name = "DIR")]
    pub webhook_cert_dir: PathBuf,
    /// Where the API server finds the webhook if not behind its Service, such as https://127.0.0.1:9443
    #[arg(long, value_name = "URL")]
    pub webhook_url: Option<String>,
    /// The image of the agents [default: that of this release]
    #[arg(
        long,
        env = "REBOUND_OPERATOR_IMAGE",
        default_value = "rebound/operator:0.1.0",
        value_name = "IMAGE"
    )]
    pub operator_image: String,
    /// The image of the data planes [default: that of this release]
    #[arg(
        long,
        env = "REBOUND_DATAPLANE_IMAGE",
        default_value = "rebound/dataplane:0.1.0",
        value_name = "IMAGE"
    )]
    pub dataplane_image: String,
}

/// Where the certificate of the webhook comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Certificates {
    /// Somebody else writes it into a folder: cert-manager, OLM, the user
    Directory,
    /// The operator makes and rotates it, and configures the webhook
    SelfManaged,
    /// There is no webhook; the operator still refuses what is wrong, in conditions
    Off,
}

#[derive(Debug, Args)]
pub struct Agent {
    /// The Gateway's namespace
    #[arg(long, env = "POD_NAMESPACE", value_name = "NS", value_parser = namespace)]
    pub namespace: String,
    /// The ConfigMap that names the shards of the snapshot
    #[arg(long, value_name = "NAME")]
    pub manifest: String,
    /// The ConfigMap that takes the reports
    #[arg(long, value_name = "NAME")]
    pub report: String,
    /// The pod that reports
    #[arg(long, env = "POD_NAME", value_name = "NAME")]
    pub pod: String,
    /// The snapshot file
    #[arg(long, default_value = "/run/rebound/snapshot", value_name = "PATH")]
    pub out: PathBuf,
    /// The admin address of the data plane
    #[arg(long, default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, 9901)), value_name = "ADDR")]
    pub dataplane: SocketAddr,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// One line for each finding
    Text,
    /// One JSON object
    Json,
}

/// A DNS label (RFC 1123).
fn namespace(text: &str) -> Result<String, String> {
    let is_label = ObjectKey::new(text, "any").is_ok() && !text.contains('.');
    is_label.then(|| text.to_owned()).ok_or_else(|| {
        format!("is not a namespace: lower-case letters, digits and `-`, 1 to {LABEL_MAX_CHARS} characters")
    })
}

/// `localhost` stands for 127.0.0.1; no other name is looked up, as none is in a cluster.
fn backend(text: &str) -> Result<(ServicePort, SocketAddr), String> {
    let (port, endpoint) = text.split_once('=').ok_or("is not of the form NS/SVC:PORT=HOST:PORT")?;
    let port = port.parse::<ServicePort>().map_err(|error| error.to_string())?;
    let address = endpoint.replacen("localhost:", "127.0.0.1:", 1);
    let wrong = |_| format!("`{endpoint}` is not an IP address and a port such as 127.0.0.1:9000");
    let address: SocketAddr = address.parse().map_err(wrong)?;
    if address.port() == 0 {
        return Err(format!("`{endpoint}` has no port that can be reached"));
    }
    Ok((port, address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn a_namespace_is_a_label() {
        assert_eq!(namespace("server-1").unwrap(), "server-1");
        for text in ["", "Server", "a.b", "-a", &"a".repeat(64)] {
            assert!(namespace(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_backend_is_a_service_port_and_an_endpoint() {
        let (port, endpoint) = backend("server/fortio:8080=localhost:9000").unwrap();
        assert_eq!(
            (port.to_string().as_str(), endpoint.to_string().as_str()),
            ("server/fortio:8080", "127.0.0.1:9000")
        );
        assert!(backend("server/fortio:8080=[::1]:9000").is_ok());
        for text in
            ["server/fortio:8080", "fortio:8080=1.2.3.4:80", "a/b:1=example.com:80", "a/b:1=1.2.3.4:0"]
        {
            assert!(backend(text).is_err(), "{text}");
        }
    }
}
